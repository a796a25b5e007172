"""Pre-tokens drawn as often as they occur."""

import random
from collections.abc import Mapping

import numpy as np


def draw_pretokens(counts: Mapping[str, int], number: int, seed: int) -> list[str]:
    """`number` pre-tokens, each with the chance of its count; read in one pass, so that counts may be on disk.

    >>> draw_pretokens({"a": 1, "b": 0}, 3, seed=0)
    ['a', 'a', 'a']
    """
    chances = np.cumsum(np.fromiter(counts.values(), np.int64, len(counts)))
    drawn = random.Random(seed).choices(range(len(counts)), cum_weights=chances.tolist(), k=number)
    wanted = set(drawn)
    found = {place: pretoken for place, pretoken in enumerate(counts) if place in wanted}
    return [found[place] for place in drawn]
