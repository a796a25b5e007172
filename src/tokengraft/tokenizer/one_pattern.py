r"""One split pattern for several that isolate in turn.

DeepSeek-Coder's pipeline cuts out ends of lines, then letters and then punctuation, each with one white space before
it, then stretches of some scripts wherever they are, then every digit. Each step cuts the pieces of the ones before, so
white space before a letter of those scripts was taken with the letter and then parted from it again: alone, and not
with the white space before it. Told apart by that, all pieces are matches of one pattern.
"""

import re
from collections.abc import Sequence

_LINE_ENDS, _LETTERS, _SIGNS, _DIGIT = r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"\p{N}"
_SCRIPTS = "一-龥ࠀ-一가-퟿"
SCRIPTS = re.compile(f"[{_SCRIPTS}]")
"""A character of what DeepSeek-Coder cuts out as East Asian scripts; from U+0800 on that is more, Devanagari too."""
_HEADS = r"\p{L}", r"\p{P}"


def one_pattern(patterns: Sequence[str]) -> str | None:
    r"""The pattern whose matches are the pieces of `patterns` in turn; None where it is not known here.

    >>> one_pattern([r"\p{N}+", r"\p{L}+"])
    """
    return _SINGLE if list(patterns) == [_LINE_ENDS, _LETTERS, _SIGNS, f"[{_SCRIPTS}]+", _DIGIT] else None


def _pattern(scripts: str) -> str:
    """Alternatives in the order in which they are tried, inside `scripts` and outside."""
    sides = scripts, f"^{scripts}"
    spaces = [rf"[\s&&[^\r\n]&&[{side}]]" for side in sides]
    headed = [f"{space}?[{head}&&[{side}]]+" for head in _HEADS for side, space in zip(sides, spaces, strict=True)]
    # Parted from what it stands before: the other side's letters and signs follow, its own were tried above.
    alone = [rf"{space}(?=[{''.join(_HEADS)}])" for space in spaces]
    others = [
        rf"(?:[[^\s{''.join(_HEADS)}{_DIGIT}]&&[{side}]]|{space}(?![{''.join(_HEADS)}]))+"
        for side, space in zip(sides, spaces, strict=True)
    ]
    return "|".join([_LINE_ENDS, *headed, *alone, _DIGIT, *others])


_SINGLE = _pattern(_SCRIPTS)
