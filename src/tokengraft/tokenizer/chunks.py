r"""Chunks: pieces of text that a pipeline divides alike wherever they stand.

Two uses. Where a pipeline splits several times, every piece of its first splits is a chunk by definition: distinct ones
are divided once, and remembered. Where it is one pattern, lines are chunks if no match of the pattern crosses the place
of the cut and what follows it decides nothing; then the lines of ASCII alone can go a faster way than the others.

A pattern is read by its alternatives. Where each is known here to hold no space after another character, text may be
cut before a run of spaces; the GPT-4 line, whose runs of signs go on over line ends, is cut after the last line end of
a run instead. A pattern with an alternative that is not known is not cut.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

Divider = Callable[[str], list[str]]

REMEMBERED = 1 << 17
"""Distinct chunks that a process remembers with their pre-tokens, some 40 MB; past it, it begins anew."""

WHITESPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Unicode calls white space, as a set of `re`: Oniguruma's and Rust's meaning of `\\s`."""

WORDS = re.compile(f"[^{WHITESPACE}]+")
"""Words between white space, for pipelines that drop it."""

_BEFORE_LINE_ENDS = re.compile(f"[{WHITESPACE}]*+[^\n]*[^{WHITESPACE}]|[{WHITESPACE}]+")
_AFTER_LINE_ENDS = re.compile(
    f"[{WHITESPACE}]*+[^\r\n]+(?:[\r\n]+/[^\r\n]*)*(?:[{WHITESPACE}]*[\r\n])?|[{WHITESPACE}]+"
)

_CASE = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_NO_SPACE_WITHIN = {
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'(?:[sdmt]|ll|ve|re)", _CONTRACTIONS,
    r" ?\p{L}+", r" ?\p{N}+", r" ?[^\s\p{L}\p{N}]+", r"\p{N}", r"\p{N}+", r"\p{N}{1,3}",
    r"[^\r\n\p{L}\p{N}]?\p{L}+", r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    *(rf"[^\r\n\p{{L}}\p{{N}}]?[{_CASE[0]}]{first}[{_CASE[1]}]{second}{end}"
      for first, second in ("*+", "+*") for end in ("", f"{_CONTRACTIONS}?")),
}  # fmt: skip
_OVER_LINES = {r" ?[^\s\p{L}\p{N}]+[\r\n]*", r" ?[^\s\p{L}\p{N}]+[\r\n/]*"}
_NUMBERS = {r" ?\p{N}+", r"\p{N}", r"\p{N}+", r"\p{N}{1,3}"}
_RUNS = [r"\s+(?!\S)", r"\s+"]


def lines_of(pattern: str) -> "re.Pattern[str] | None":
    r"""The pattern of the lines at which a split pattern may be cut; None where it is not known to have any.

    >>> lines_of(r" ?\p{L}+|\s+(?!\S)|\s+").findall("to be\n\n  or not")
    ['to be', '\n\n  or not']
    """
    alternatives = _alternatives(pattern)
    if alternatives[-2:] != _RUNS:
        return None
    before = alternatives[:-2]
    if before and before[-1] == r"\s*[\r\n]+":
        return _AFTER_LINE_ENDS if set(before[:-1]) <= _NO_SPACE_WITHIN | _OVER_LINES else None
    return _BEFORE_LINE_ENDS if set(before) <= _NO_SPACE_WITHIN else None


def covers(pattern: str) -> bool:
    """Whether matches are known to leave no text between them: letters, numbers, other signs and spaces each match."""
    parts = _alternatives(pattern)
    letters = any(part.endswith(r"\p{L}+") for part in parts)
    signs = any(part.startswith(r" ?[^\s\p{L}\p{N}]+") for part in parts)
    return lines_of(pattern) is not None and letters and signs and not _NUMBERS.isdisjoint(parts)


def _alternatives(pattern: str) -> list[str]:
    """The pattern cut at the bars that stand in no group, set or escape."""
    parts, depth, inside, escaped = [""], 0, False, False
    for sign in pattern:
        free = not (escaped or inside)
        if sign == "|" and free and not depth:
            parts.append("")
            continue
        parts[-1] += sign
        if free:
            depth += (sign == "(") - (sign == ")")
            inside = sign == "["
        elif inside and not escaped:
            inside = sign != "]"
        escaped = sign == "\\" and not escaped
    return parts


@dataclass(frozen=True, slots=True)
class Chunked:
    """Divides chunk by chunk, and remembers what it has divided. Picklable; what it remembers stays behind."""

    chunks: Divider
    divide: Divider
    _known: dict[str, list[str]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of a stretch without added tokens."""
        known = self._known.get
        return [piece for chunk in self.chunks(text) for piece in known(chunk) or self._divided(chunk)]

    def tally(self, text: str) -> dict[str, int]:
        """How often each pre-token occurs, in the order of first occurrence."""
        known = self._known.get
        counts: dict[str, int] = {}
        for chunk, times in Counter(self.chunks(text)).items():
            for piece in known(chunk) or self._divided(chunk):
                counts[piece] = counts.get(piece, 0) + times
        return counts

    def _divided(self, chunk: str) -> list[str]:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        pieces = self._known[chunk] = self.divide(chunk)
        return pieces

    def __reduce__(self) -> tuple[object, ...]:
        return Chunked, (self.chunks, self.divide)


def tally(divide: Divider, text: str) -> dict[str, int]:
    """How often each pre-token occurs in a stretch, by chunks where the divider has them."""
    own = getattr(divide, "tally", None)
    return Counter(divide(text)) if own is None else own(text)


@dataclass(frozen=True, slots=True)
class Isolated:
    """Matches of a pattern and what lies between them, as `Split` with the behaviour `isolated` gives them."""

    split: Callable[[str], Sequence[str]]
    """Of a compiled pattern that is one group: text between matches and matches in turn."""
    split_ascii: Callable[[str], Sequence[str]] | None = None
    """The same for text of ASCII alone."""

    def __call__(self, text: str) -> list[str]:
        """The pieces, none of them empty."""
        split = self.split_ascii if self.split_ascii is not None and text.isascii() else self.split
        return [piece for piece in split(text) if piece]


@dataclass(frozen=True, slots=True)
class InTurn:
    """Two splits one after the other."""

    first: Isolated
    second: Isolated

    def __call__(self, text: str) -> list[str]:
        """The pieces of the second in those of the first."""
        return list(chain.from_iterable(map(self.second, self.first(text))))


def in_turn(steps: Sequence[Isolated]) -> Divider:
    """Several splits one after the other, from the third on only on distinct pieces."""
    if len(steps) == 1:
        return steps[0]
    both = InTurn(steps[0], steps[1])
    return Chunked(both, in_turn(steps[2:])) if len(steps) > 2 else both
