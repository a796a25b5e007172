"""A heuristic for comparison: walk along both sequences, and look ahead for equal text where they differ.

It is not exact. It reads each token as text by itself, so the pieces of a character all look alike; it gives up where a
token covers more than `LOOK_AHEAD` of the other side's; and after that it may pair equal texts that stand at different
places. `tests/alignment/test_lookahead.py` keeps a case of each.
"""

from collections.abc import Sequence

import numpy as np

from tokengraft.alignment.aligners import Alignment, Sides, aligners
from tokengraft.tokenizer.file import TokenizerFile

LOOK_AHEAD = 20
"""Tokens of either side that are tried for one group."""


@aligners.register(
    "look-ahead", paper="Linder 2025, https://arxiv.org/abs/2508.15807, Algorithm 4, as it is described in short"
)
def by_look_ahead(sides: Sides) -> Alignment:
    """Equal text of the next tokens, up to 20 ahead; a heuristic that loses step, kept for comparison."""
    base, other = _texts(sides.base, sides.base_ids.tolist()), _texts(sides.other, sides.other_ids.tolist())
    pairs = look_ahead_pairs(base, other)
    positions = np.asarray(pairs, np.int64).reshape(-1, 2)
    return Alignment(sides.base_ids, sides.other_ids, positions[:, 0], positions[:, 1])


def _texts(file: TokenizerFile, ids: Sequence[int]) -> list[str]:
    return [file.token_bytes(number).decode("utf-8", errors="replace") for number in ids]


def look_ahead_pairs(base: Sequence[str], other: Sequence[str], look_ahead: int = LOOK_AHEAD) -> list[tuple[int, int]]:
    """(base position, other position) of the ends of groups whose texts are equal, as far as they are found.

    >>> look_ahead_pairs(["a", "b", "c"], ["ab", "c"])
    [(1, 0), (2, 1)]
    """
    pairs = []
    left = right = 0
    while left < len(base) and right < len(other):
        group = _group(base[left : left + look_ahead], other[right : right + look_ahead])
        if group is None:
            left, right = left + 1, right + 1
            continue
        left, right = left + group[0], right + group[1]
        pairs.append((left - 1, right - 1))
    return pairs


def _group(base: Sequence[str], other: Sequence[str]) -> tuple[int, int] | None:
    """Tokens of both sides in the first group of equal text: the shorter side takes the next token. None: no group."""
    first, second = base[0], other[0]
    taken = [1, 1]
    while first != second:
        if len(first) <= len(second):
            if taken[0] == len(base):
                return None
            first += base[taken[0]]
            taken[0] += 1
        else:
            if taken[1] == len(other):
                return None
            second += other[taken[1]]
            taken[1] += 1
    return taken[0], taken[1]
