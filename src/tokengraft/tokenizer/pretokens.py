"""A text cut into pre-tokens, exactly as the tokenizer does it before any merge.

Added tokens cut the text first, each stretch between them is normalised, and the pre-tokenizer divides it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer
from tokenizers.normalizers import Normalizer

from tokengraft.tokenizer.chunks import Divider, tally
from tokengraft.tokenizer.dividers import divider_of
from tokengraft.tokenizer.file import TokenizerFile

FEW = 8
"""Added tokens that are looked for one by one; more of them by a pattern."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Whether a text holds one of these."""

    contents: tuple[str, ...]

    def __call__(self, text: str) -> bool:
        """Looks for them one by one."""
        return any(content in text for content in self.contents)


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts added tokens out of a text, with their flags (`lstrip`, `rstrip`, `single_word`), as the library does."""

    found_in: Callable[[str], object]
    """Tells the few texts that need more than a glance."""
    tokenizer: Tokenizer
    """The added tokens with a model that knows nothing: every stretch of text is the unknown token, id 0."""

    @classmethod
    def of(cls, tokens: Sequence[Mapping[str, Any]]) -> "Cutter":
        """The cutter for these added tokens, which are looked for in the text as it comes."""
        contents = tuple(str(token["content"]) for token in tokens)
        glance = AnyOf(contents) if len(contents) <= FEW else re.compile("|".join(map(re.escape, contents))).search
        added = [{**token, "id": number, "normalized": False} for number, token in enumerate(tokens, start=1)]
        nothing = {"type": "WordLevel", "vocab": {"\0": 0}, "unk_token": "\0"}
        document = {"version": "1.0", "added_tokens": added, "model": nothing}
        return cls(glance, TokenizerFile(document).tokenizer)

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """Where the stretches of `text` between added tokens begin and end, in characters."""
        if not self.found_in(text):
            return [(0, len(text))]
        found = self.tokenizer.encode(text, add_special_tokens=False)
        return [span for number, span in zip(found.ids, found.offsets, strict=True) if number == 0]


@dataclass(frozen=True, slots=True)
class Splitter:
    """Text to pre-tokens; small, and picklable, so that worker processes can have it.

    Added tokens are looked for twice, as the library does it: most in the text as it is, those marked `normalized` in
    what the normaliser makes of the rest.

    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> small = Tokenizer(models.BPE())
    >>> small.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    >>> splitter_of(TokenizerFile.load(small))("Hi there, café")
    ['Hi', ' there', ',', ' café']
    """

    cut: Cutter
    normalizer: Normalizer | None
    cut_normalised: Cutter
    divide: Divider
    divide_later: Divider
    """For stretches that do not begin the text, where that makes a difference."""

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of `text`, added tokens left out."""
        return [pretoken for divide, stretch in self._stretches(text) for pretoken in divide(stretch)]

    def tally(self, text: str) -> dict[str, int]:
        """How often each pre-token occurs in `text`, in an order that depends on it alone; faster than to list them."""
        stretches = self._stretches(text)
        if len(stretches) == 1:
            return tally(*stretches[0])
        counts: dict[str, int] = {}
        for divide, stretch in stretches:
            for pretoken, count in tally(divide, stretch).items():
                counts[pretoken] = counts.get(pretoken, 0) + count
        return counts

    def _stretches(self, text: str) -> list[tuple[Divider, str]]:
        """What lies between added tokens, normalised, with its divider."""
        return [
            (self.divide if start == low == 0 else self.divide_later, stretch[low:high])
            for start, end in self.cut(text)
            for stretch in [_normalised(self.normalizer, text[start:end])]
            for low, high in self.cut_normalised(stretch)
        ]


def splitter_of(file: TokenizerFile) -> Splitter:
    """The splitter of a tokenizer whose pre-tokenizer ends in `ByteLevel`."""
    return splitter_with(file, divider_of(file))


def splitter_with(file: TokenizerFile, divide: Divider, divide_later: Divider | None = None) -> Splitter:
    """The splitter of a tokenizer whose stretches between added tokens are divided so."""
    normalizer = file.tokenizer.normalizer
    as_is = [token for token in file.added_tokens if not token.get("normalized")]
    normalised = [
        {**token, "content": _normalised(normalizer, token["content"])}
        for token in file.added_tokens
        if token.get("normalized")
    ]
    return Splitter(Cutter.of(as_is), normalizer, Cutter.of(normalised), divide, divide_later or divide)


def _normalised(normalizer: Normalizer | None, text: str) -> str:
    return text if normalizer is None else normalizer.normalize_str(text)
