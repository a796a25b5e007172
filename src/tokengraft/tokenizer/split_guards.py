r"""What may follow a superword, so that the split pattern cuts the text there as it did before.

A pattern of character classes and single letters treats all characters of one Unicode category alike, but for those
that it names. So one of each kind stands for all, or two where a pattern may set some scripts apart (`one_pattern`):
where the pattern cuts a superword's last pre-tokens as before in front of every kind of character, and whatever comes
behind that, it always does. Kinds before which it does not are forbidden by a look-ahead; that a superword is missed
there does no harm.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import regex

from tokengraft.tokenizer.one_pattern import SCRIPTS

KINDS = {
    "Lu": "QႠ", "Ll": "qა", "Lt": "ǅᾈ", "Lm": "ʰๆ", "Lo": "א漢", "Mn": "\u0301\u0941", "Mc": "\ua823\u093e",
    "Me": "\u0488\u20dd", "Nd": "7७", "Nl": "\U00010140Ⅷ", "No": "²①", "Pc": "_‿", "Pd": "-‐", "Ps": "(⁅", "Pe": ")⁆",
    "Pi": "«‘", "Pf": "»”", "Po": "!†", "Sm": "+∀", "Sc": "$€", "Sk": "^᾽", "So": "©℀", "Zs": "\u2003", "Zl": "\u2028",
    "Zp": "\u2029", "Cc": "\x01", "Cf": "\u00ad\u200d", "Co": "\ue000", "Cn": "\u0378\u2fe0",
}  # fmt: skip
"""Of each category a character that no pattern names, and where there is one, another among `SCRIPTS`."""

NAMED = " \t\n\r\x0b\x0c\x1c\x85\xa0'’/strevmldSTREVMLD"
"""Characters that patterns name, or whose category does not say whether they are whitespace."""

BEHIND = ("", "Q", "q", "7", " ", "\n", "'", "!", "s", "l", "\u0301", "漢")
"""What comes behind the next character."""

RUN = 4
"""Longest run of one kind that is told from longer ones: patterns count digits up to three."""


class Guards:
    """The look-aheads of superwords under one split pattern, remembered by the shape of their last pre-tokens."""

    def __init__(self, pattern: "regex.Pattern[str]") -> None:
        self._pattern = pattern
        self._known: dict[tuple[str, ...], str | None] = {}

    def after(self, before: str, last: str) -> str | None:
        """The look-ahead behind pre-tokens `before` and `last`; None where a superword cannot end there."""
        shape = (_shape(before), _shape(last))
        if shape not in self._known:
            self._known[shape] = self._found(before, last)
        return self._known[shape]

    def _found(self, before: str, last: str) -> str | None:
        if last[-1].isspace() or last[-1] in "'’" or not self._keeps(before, last, ""):
            return None
        named = [letter for letter in NAMED if not self._always_keeps(before, last, letter)]
        kinds = [
            kind for kind, letters in KINDS.items() if not all(self._always_keeps(before, last, one) for one in letters)
        ]
        if len(kinds) == len(KINDS):
            return None
        forbidden = "".join(f"\\p{{{kind}}}" for kind in kinds) + "".join(map(escaped, named))
        return f"(?![{forbidden}])" if forbidden else ""

    def _always_keeps(self, before: str, last: str, letter: str) -> bool:
        return all(self._keeps(before, last, letter + behind) for behind in BEHIND)

    def _keeps(self, before: str, last: str, after: str) -> bool:
        text = before + last + after
        first = self._pattern.match(text)
        second = self._pattern.match(text, len(before))
        whole = (first is not None and first.end() == len(before)) or not before
        return whole and second is not None and second.end() == len(before) + len(last)


def _shape(text: str) -> str:
    """The text with one character for all of its kind, and long runs cut."""
    return "".join(_cut_runs(text))


def _cut_runs(text: str) -> Iterator[str]:
    run, last = 0, ""
    for kind in map(_stand_in, text):
        run = run + 1 if kind == last else 1
        last = kind
        if run <= RUN:
            yield kind


@lru_cache(maxsize=1 << 14)
def _stand_in(letter: str) -> str:
    if letter in NAMED:
        return letter
    apart = bool(SCRIPTS.match(letter))
    return next(
        (one for one in KINDS.get(unicodedata.category(letter), "") if bool(SCRIPTS.match(one)) == apart), letter
    )


def escaped(letter: str) -> str:
    r"""A character as itself in a pattern, inside a class too, for Oniguruma and for Python's `regex`.

    >>> escaped("("), escaped("é"), escaped("\n")
    ('\\(', 'é', '\\u000A')
    """
    if letter != " " and (letter.isspace() or not letter.isprintable()) and ord(letter) < 0x10000:
        return f"\\u{ord(letter):04X}"
    return letter if letter.isalnum() or letter in " _" or ord(letter) > 127 else f"\\{letter}"
