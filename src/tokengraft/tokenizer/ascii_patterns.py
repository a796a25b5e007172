r"""A split pattern for text of ASCII alone, in Python's own `re`, which is two to three times as fast as `regex`.

On such text a class like `\p{L}` is the handful of its members below 128, so every construct can be written out. What
is not known here gives None, and `regex` takes the text.

>>> ascii_pattern(r" ?\p{L}+|\s+(?!\S)|\s+").findall("to be  or")
['to', ' be', ' ', ' or']
>>> ascii_pattern(r"\X") is None
True
"""

import re
import unicodedata
from collections.abc import Iterator

SPACES = " \t\n\x0b\x0c\r"
"""What `\\s` matches below 128, in Oniguruma and in `regex`; Python's `re` adds \\x1c to \\x1f."""

_ABSENT = "\x80"
"""Stands in a set that has no member below 128."""

_PROPERTY = re.compile(r"\\p\{(\^?)([A-Z][a-z]?)\}")
_GROUPS = ("(?:", "(?i:", "(?=", "(?!", "(?>")
_LETTERS = {"r": "\r", "n": "\n", "t": "\t", "f": "\f", "v": "\v"}
_ASCII = [chr(code) for code in range(128)]


def ascii_pattern(pattern: str) -> "re.Pattern[str] | None":
    """The pattern for text below 128; None where it has a construct that is not translated."""
    try:
        compiled = re.compile("".join(_translated(pattern)))
    except (re.error, _UnknownError, IndexError):
        return None
    return None if compiled.groups or compiled.match("") else compiled


class _UnknownError(Exception):
    """A construct that is not translated."""


def _translated(pattern: str) -> Iterator[str]:
    place, inside = 0, False
    while place < len(pattern):
        sign = pattern[place]
        if sign == "\\":
            text, place = _escape(pattern, place, inside=inside)
            yield text
            continue
        if inside:
            _refuse(sign == "[" or pattern.startswith(("&&", "--", "~~", "||"), place))
            inside = sign != "]"
            yield sign if inside else f"{_ABSENT}]"
        else:
            _refuse(sign in "^$" or (sign == "(" and not pattern.startswith(_GROUPS, place)))
            inside = sign == "["
            yield sign
            if inside and pattern[place + 1] == "^":
                yield "^"
                place += 1
            _refuse(inside and pattern[place + 1] == "]")  # which engines read differently
        place += 1


def _refuse(unknown: bool) -> None:
    if unknown:
        raise _UnknownError


def _escape(pattern: str, place: int, *, inside: bool) -> tuple[str, int]:
    """(translation, place after it) of what begins with a backslash."""
    letter = pattern[place + 1]
    found = _PROPERTY.match(pattern, place)
    if found:
        members, end = _category(found[2], negated=bool(found[1])), found.end()
    elif letter in "sS":
        members, end = [sign for sign in _ASCII if (sign in SPACES) == (letter == "s")], place + 2
    elif letter in _LETTERS or not (letter.isalnum() or ord(letter) > 127):
        return re.escape(_LETTERS.get(letter, letter)), place + 2
    else:
        raise _UnknownError
    text = "".join(map(re.escape, members))
    return (text if inside else f"[{text}{_ABSENT}]"), end


def _category(name: str, *, negated: bool) -> list[str]:
    return [sign for sign in _ASCII if unicodedata.category(sign).startswith(name) != negated]
