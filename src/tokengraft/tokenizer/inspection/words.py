"""How the user's words split, what a token for each would cost and save, and whether it is worth it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.tokens import shown

LEARNABLE = 100
"""Occurrences below which a new row can hardly be learned; a rule of thumb."""

WORTH = 10
"""Tokens of a million that a token should save to be worth its row; a rule of thumb."""


@dataclass(frozen=True, slots=True)
class WordReport:
    """One word."""

    word: str
    pieces: tuple[str, ...]
    """At the start of a text."""
    pieces_spaced: tuple[str, ...]
    """Behind a space."""
    occurrences: int | None
    """Whole words in the text; None where none was given."""
    saved: int | None
    """Tokens that one token for it would save there."""
    per_million: float | None
    """The same for each million tokens of the text."""
    verdict: str
    """Whether adding it is worth it, in plain words."""
    pieces_other: tuple[str, ...] | None = None
    """Behind a space, under the second tokenizer."""

    @property
    def single(self) -> bool:
        """Whether it is one token already, behind a space."""
        return len(self.pieces_spaced) == 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()} | {
            "single": self.single
        }


def word_reports(
    words: Sequence[str], file: TokenizerFile, texts: Sequence[str], other: TokenizerFile | None = None
) -> list[WordReport]:
    """One report a word; without `texts`, what adding it saves is not known."""
    found = _occurrences(words, texts) if texts else None
    tokens = sum(map(len, file.encode(texts))) if texts else 0
    return [_report(word, file, other, found, tokens) for word in words]


def _report(
    word: str, file: TokenizerFile, other: TokenizerFile | None, found: Counter[str] | None, tokens: int
) -> WordReport:
    alone, spaced = (_pieces(file, text) for text in (word, f" {word}"))
    occurrences = None if found is None else found[word]
    saved = None if occurrences is None else occurrences * (len(spaced) - 1)
    per_million = None if saved is None or not tokens else saved * 1e6 / tokens
    return WordReport(
        word,
        alone,
        spaced,
        occurrences,
        saved,
        per_million,
        _verdict(len(spaced), occurrences, per_million),
        None if other is None else _pieces(other, f" {word}"),
    )


def _pieces(file: TokenizerFile, text: str) -> tuple[str, ...]:
    return tuple(shown(file.token_bytes(number)) for number in file.encode([text])[0])


def _verdict(pieces: int, occurrences: int | None, per_million: float | None) -> str:
    if pieces == 1:
        return "it is one token already"
    if occurrences is None:
        return "give text (--corpus) to see what it would save"
    if not occurrences:
        return "no: it does not occur in this text"
    if occurrences < LEARNABLE:
        return f"hardly: {occurrences} occurrences are few to learn a row from (about {LEARNABLE} are wanted)"
    if per_million is None or per_million < WORTH:
        return f"hardly: it saves {per_million or 0:.1f} of a million tokens"
    return f"yes: it saves {per_million:.0f} of a million tokens, and occurs often enough to be learned"


def _occurrences(words: Sequence[str], texts: Sequence[str]) -> Counter[str]:
    """Whole words only: `port` in `support` is none. The longest word that fits is counted."""
    longest_first = sorted(set(words), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(pattern.findall(text))
    return counts
