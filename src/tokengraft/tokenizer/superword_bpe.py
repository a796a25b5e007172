"""Byte-level BPE whose pattern takes superwords whole before it cuts.

A superword is a run of whole pre-tokens inside a line, taken out by the split pattern itself, and found in the
vocabulary by `ignore_merges`. What follows it must leave the pattern's cuts as they were (`split_guards`), so each
superword stands for the base's own encoding of its pre-tokens, and the equation holds as it does for merges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import regex

from tokengraft.tokenizer.conservative import extended_document, portable_config
from tokengraft.tokenizer.dividers import single_pattern
from tokengraft.tokenizer.families.byte_level_bpe import ByteLevelBPE
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words
from tokengraft.tokenizer.pretokens import Splitter, splitter_of
from tokengraft.tokenizer.split_guards import Guards
from tokengraft.tokenizer.superword_pattern import with_superwords
from tokengraft.tokenizer.tokens import SUPERWORD


@dataclass(frozen=True, slots=True)
class LineSplitter:
    """Text to runs of pre-tokens: a new one begins with each pre-token that holds the end of a line."""

    split: Splitter

    def __call__(self, text: str) -> list[str]:
        """The runs of `text`, added tokens left out."""
        lines: list[str] = []
        run: list[str] = []
        for pretoken in self.split(text):
            if "\n" in pretoken and run:
                lines.append("".join(run))
                run = []
            run.append(pretoken)
        return [*lines, "".join(run)] if run else lines


class SuperwordBPE(ByteLevelBPE):
    """A byte-level BPE tokenizer whose counted units are lines."""

    def splitter(self) -> Callable[[str], list[str]]:  # pyrefly: ignore
        """Text to lines."""
        return LineSplitter(splitter_of(self.file))

    def words(self, counts: Mapping[str, int]) -> Words:
        """Lines with their counts, encoded by the whole tokenizer."""
        return Words.of(self.file.encode(list(counts)), list(counts.values()))

    def extended(self, merges: Sequence[Merge]) -> TokenizerFile:
        """The tokenizer with ordinary merges appended, and superwords in its vocabulary and its pattern."""
        superwords = [merge for merge in merges if merge.kind == SUPERWORD]
        document = extended_document(self.file.document, merges, self.file.size)
        if superwords:
            document = self._with_superwords(document, superwords)
        return self.file.replaced(document, portable_config(self.file.config))

    def _with_superwords(self, document: dict[str, Any], superwords: Sequence[Merge]) -> dict[str, Any]:
        model = document["model"]
        texts = [self.file.entry_bytes(merge.token).decode("utf-8") for merge in superwords]
        guards = {text: guard for text in texts if (guard := self.guard(self.pretokens(text))) is not None}
        assert len(guards) == len(superwords), "every superword has a guard"
        pattern = with_superwords(self.pattern_text, guards)
        steps = [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ]
        return {
            **document,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
            "model": {**model, "ignore_merges": True},
        }

    @cached_property
    def pattern_text(self) -> str:
        """The split pattern."""
        found = single_pattern(self.file)
        assert found is not None, "asked before"
        return found

    @cached_property
    def _pattern(self) -> "regex.Pattern[str]":
        return regex.compile(self.pattern_text, regex.V1)

    @cached_property
    def _guards(self) -> Guards:
        return Guards(self._pattern)

    def pretokens(self, text: str) -> list[str]:
        """The pre-tokens of a stretch of normalised text."""
        return self._pattern.findall(text)

    def guard(self, pretokens: Sequence[str]) -> str | None:
        """What must follow a superword of these pre-tokens; None where it cannot be one."""
        if len(pretokens) < 2 or self.pretokens("".join(pretokens)) != list(pretokens):
            return None
        return self._guards.after(pretokens[-2], pretokens[-1])
