"""Texts that nobody wrote, drawn with a seed, to break promises with."""

import random
from collections.abc import Iterator, Sequence

from tokengraft.tokenizer.extended import ExtendedTokenizer

_SPACES = [" ", "\t", "\n", "\r\n", "\r", "\x0b", "\x1c", "\u00a0", "\u2003", "\u3000", "\u200b"]
_BLOCKS = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x400, 0x600), (0x900, 0xE00), (0x2000, 0x2800),
           (0x3040, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xE000, 0x10FFFF), (0x1F300, 0x1FB00)]  # fmt: skip
"""Code points from which all scripts, combining marks, symbols and emoji come; surrogates are no text."""


def fuzz_texts(extended: ExtendedTokenizer, domain: Sequence[str], number: int, seed: int) -> Iterator[str]:
    """`number` texts of up to a few hundred characters.

    Mixed of random Unicode, runs of spaces, cuttings of `domain`, new tokens side by side, and added tokens.
    """
    draw = random.Random(seed)
    new = [token.text for token in extended.new_tokens]
    added = [token["content"] for token in extended.base.added_tokens]
    for _ in range(number):
        yield mixed(draw, domain, new, added)


def mixed(draw: random.Random, domain: Sequence[str], new: Sequence[str], added: Sequence[str]) -> str:
    """One such text."""
    return "".join(_piece(draw, domain, new, added) for _ in range(draw.randint(1, 8)))


def _piece(draw: random.Random, domain: Sequence[str], new: Sequence[str], added: Sequence[str]) -> str:
    kind = draw.randrange(8)
    if kind < 3 and domain:
        return _cutting(draw, draw.choice(domain))
    if kind < 5 and new:
        return "".join(draw.choices(new, k=draw.randint(1, 4)))
    if kind == 5 and added:
        return draw.choice(added)
    if kind == 6:
        return "".join(draw.choices(_SPACES, k=draw.randint(1, 12)))
    return "".join(chr(draw.randrange(*draw.choice(_BLOCKS))) for _ in range(draw.randint(1, 12)))


def _cutting(draw: random.Random, text: str) -> str:
    start = draw.randint(0, len(text))
    return text[start : start + draw.randint(1, 60)]
