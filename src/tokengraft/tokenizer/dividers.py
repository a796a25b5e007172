"""What the pre-tokenizer of a byte-level tokenizer does to a stretch of text, by the fastest way that is exact.

Ways to the same pieces, from the slow to the fast: the pipeline of the tokenizers library itself (1.5 MB a CPU second);
the tokenizer's own patterns under `regex` (10 MB); the same under `re` for text of ASCII alone (25 MB); and either of
them on distinct chunks only. A way is taken where the pipeline is made of splits that are known here and a probe shows
the engines to agree. Unicode grows: on characters that the tokenizers library's regex engine does not know yet, the
fast ways follow the newer tables.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, groupby
from typing import Any

import regex
from tokenizers.pre_tokenizers import PreTokenizer

from tokengraft.tokenizer.ascii_counts import countable, counts_of
from tokengraft.tokenizer.ascii_patterns import ascii_pattern
from tokengraft.tokenizer.chunks import Divider, Isolated, covers, in_turn, lines_of, tally
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.one_pattern import one_pattern
from tokengraft.tokenizer.spelling import components, text_of_spelling

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What a `ByteLevel` pre-tokenizer with `use_regex` splits by, fixed in the library (Radford et al. 2019)."""

_MARKS = "aZzéßſøΩяא१ก漢かカ한ﬁ²½ⅷ_-.'\"(#[]&|~^€😀\u0301\u200d\u00ad"
_GAPS = " \t\n\r\x0b\x0c\x1c\x1f\x85\u00a0\u2003\u2028\u3000\ufeff"
PROBE = "".join(f"a{c}1 {c}{c}'{c} 12345{c}'S\n{c}  x{c}{gap}{gap}b{gap}{c}\r\n " for c in _MARKS for gap in _GAPS)
"""Text in which two regex engines that read a pattern differently give themselves away."""

ASCII_PROBE = "".join(f"{chr(left)}{chr(right)}" for left in range(128) for right in range(128))
"""Every two neighbours below 128."""


@dataclass(frozen=True, slots=True)
class PipelineDivider:
    """Divides by the tokenizers library, whatever the pipeline is."""

    pipeline: PreTokenizer

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of a stretch without added tokens."""
        return [text_of_spelling(piece) for piece, _ in self.pipeline.pre_tokenize_str(text)]


@dataclass(frozen=True, slots=True)
class PatternDivider:
    """Divides by one pattern whose matches cover the text; `exact` takes the texts where they do not."""

    pattern: "regex.Pattern[str]"
    ascii: "re.Pattern[str] | None"
    """The same pattern for text of ASCII alone."""
    lines: "re.Pattern[str] | None"
    """Where text that is not all ASCII may be cut into lines, many of which are."""
    exact: PipelineDivider
    covers: bool = False
    """Whether the pattern is known to cover any text."""
    by_arrays: bool = False
    """Whether long text of ASCII alone is counted by arrays: of GPT-2's pattern."""

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of a stretch without added tokens."""
        pieces = self._matches(text)
        return pieces if self.covers or len("".join(pieces)) == len(text) else self.exact(text)

    def tally(self, text: str) -> dict[str, int]:
        """How often each pre-token occurs."""
        return counts_of(text) if self.by_arrays and countable(text) else Counter(self(text))

    def _matches(self, text: str) -> list[str]:
        if self.ascii is None:
            return self.pattern.findall(text)
        if text.isascii():
            return self.ascii.findall(text)
        if self.lines is None:
            return self.pattern.findall(text)
        # Lines of one kind that follow each other go together: a call costs as much as a few pre-tokens.
        blocks = groupby(self.lines.findall(text), str.isascii)
        ways = {True: self.ascii.findall, False: self.pattern.findall}
        return list(chain.from_iterable(ways[plain]("".join(lines)) for plain, lines in blocks))


@dataclass(frozen=True, slots=True)
class Spaced:
    """Puts a space before a stretch that has none, as `add_prefix_space` does."""

    divide: Divider

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of a stretch without added tokens."""
        return self.divide(_spaced(text))

    def tally(self, text: str) -> dict[str, int]:
        """How often each pre-token occurs."""
        return tally(self.divide, _spaced(text))


def _spaced(text: str) -> str:
    return f" {text}" if text and not text.startswith(" ") else text


def single_pattern(file: TokenizerFile) -> str | None:
    """The one pattern that a byte-level tokenizer splits by, where `regex` reads it as the library does; else None.

    Of several splits in turn it is the one that cuts as they do, where that is known.

    A tokenizer that puts a space before each text has none: its pattern sees another text.
    """
    divide = divider_of(file, fast=False)
    return divide.pattern.pattern if isinstance(divide, PatternDivider) else None


def divider_of(file: TokenizerFile, *, fast: bool = True) -> Divider:
    """The divider of a byte-level tokenizer; `fast` off leaves all to one pattern where it can, to the same end."""
    return _divider(json.dumps(file.document["pre_tokenizer"]), fast)


@lru_cache(maxsize=16)
def _divider(pre_tokenizer: str, fast: bool) -> Divider:
    document = json.loads(pre_tokenizer)
    empty = {"type": "BPE", "vocab": {}, "merges": []}
    pipeline = TokenizerFile({"version": "1.0", "added_tokens": [], "model": empty, "pre_tokenizer": document})
    assert pipeline.tokenizer.pre_tokenizer is not None, "byte-level tokenizers have a pre-tokenizer"
    exact = PipelineDivider(pipeline.tokenizer.pre_tokenizer)
    found = _by_patterns(list(components(document)), exact, fast=fast)
    if found is None or any(found(probe) != exact(probe) for probe in (PROBE, ASCII_PROBE)):
        return exact
    return found


def _by_patterns(steps: Sequence[Mapping[str, Any]], exact: PipelineDivider, *, fast: bool) -> Divider | None:
    *before, last = steps
    patterns = [_pattern_of(step) for step in before] + [GPT2_PATTERN] * last.get("use_regex", True)
    if None in patterns or not patterns or (before and last["add_prefix_space"]):
        return None
    single = patterns[0] if len(patterns) == 1 else None if fast else one_pattern(patterns)
    made = _splits(patterns) if single is None else _one_split(single, exact, fast=fast)
    return Spaced(made) if made is not None and last["add_prefix_space"] else made


def _pattern_of(step: Mapping[str, Any]) -> str | None:
    """The pattern by whose matches a step isolates pieces; None of a step that does something else."""
    if step["type"] == "Digits":
        return r"\p{N}" if step["individual_digits"] else r"\p{N}+"
    if step["type"] != "Split" or step["behavior"] != "Isolated" or step.get("invert"):
        return None
    pattern = step["pattern"]
    return pattern["Regex"] if "Regex" in pattern else regex.escape(pattern["String"])


def _one_split(pattern: str, exact: PipelineDivider, *, fast: bool) -> Divider | None:
    compiled = _compiled(pattern)
    if compiled is None:
        return None
    if not fast:
        return PatternDivider(compiled, None, None, exact)
    divide = PatternDivider(compiled, ascii_pattern(pattern), lines_of(pattern), exact, covers(pattern))
    probe = ASCII_PROBE.replace("\0", "")
    by_arrays = pattern == GPT2_PATTERN and counts_of(probe) == Counter(divide(probe))
    return replace(divide, by_arrays=by_arrays)


def _splits(patterns: Sequence[str]) -> Divider | None:
    steps = list(_isolated(patterns))
    return in_turn(steps) if len(steps) == len(patterns) else None


def _isolated(patterns: Sequence[str]) -> Iterator[Isolated]:
    for pattern in patterns:
        whole, plain = _compiled(pattern), ascii_pattern(pattern)
        if whole is None:
            return
        split = regex.compile(f"({pattern})", regex.V1).split
        yield Isolated(split, None if plain is None else re.compile(f"({plain.pattern})").split)


def _compiled(pattern: str) -> "regex.Pattern[str] | None":
    """The pattern under Python's `regex`, sets read as in Oniguruma; None where it has groups or matches nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compiled = regex.compile(pattern, regex.V1)
        except (regex.error, Warning):
            return None
    return None if compiled.groups or compiled.match("") else compiled
