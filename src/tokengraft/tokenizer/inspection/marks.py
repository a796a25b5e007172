"""Cuts at combining marks: the floor that a split pattern sets for scripts that write vowels as marks.

GPT-2's pattern takes runs of letters, and a vowel sign of Devanagari is no letter: `हिन्दी` falls into six pre-tokens.
No merge crosses them, so no vocabulary makes such a word shorter than that.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class MarkCuts:
    """Pre-tokens of a text, and how many of the cuts between them stand at a combining mark inside a word.

    >>> MarkCuts(pretokens=10, at_marks=5, words=4, bytes=120).share
    0.5
    """

    pretokens: int
    """The fewest tokens that the pattern allows."""
    at_marks: int
    words: int
    """Between white space."""
    bytes: int

    @property
    def share(self) -> float:
        """Share of the floor that the cuts at marks make."""
        return self.at_marks / self.pretokens if self.pretokens else 0.0

    @property
    def floor(self) -> float:
        """Tokens a word at the least."""
        return self.pretokens / self.words if self.words else 0.0

    @property
    def floor_without(self) -> float:
        """Tokens a word at the least, if the pattern did not cut at marks."""
        return (self.pretokens - self.at_marks) / self.words if self.words else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "pretokens": self.pretokens,
            "cuts_at_marks": self.at_marks,
            "floor_tokens_per_word": self.floor,
            "floor_without_cuts_at_marks": self.floor_without,
        }


def mark_cuts(split: Callable[[str], Sequence[str]], texts: Iterable[str]) -> MarkCuts:
    r"""The cuts of a splitter at combining marks.

    >>> cuts = mark_cuts(lambda text: ["क", "ि", "त", "ा", "ब"], ["किताब"])
    >>> cuts.at_marks, cuts.floor, cuts.floor_without
    (4, 5.0, 1.0)
    """
    pretokens = at_marks = words = size = 0
    for text in texts:
        pieces = [piece for piece in split(text) if piece]
        pretokens += len(pieces)
        at_marks += sum(_at_mark(left, right) for left, right in pairwise(pieces))
        words += len(text.split())
        size += len(text.encode("utf-8"))
    return MarkCuts(pretokens, at_marks, words, size)


def _at_mark(left: str, right: str) -> bool:
    """Whether two pieces were one word, and part at a mark: it begins the right one, or ends the left one."""
    begins, ends = unicodedata.category(right[0])[0], unicodedata.category(left[-1])[0]
    return (begins == "M" and ends in "LM") or (ends == "M" and begins in "LM")
