"""Short stretches around new tokens, as Token Distillation trains on, in place of whole windows."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tokengraft.training.windows import Decomposes, Window, make_window


def snippets(
    windows: Sequence[Window], pieces: Decomposes, prefix: Sequence[int], length: int, per_token: int, base_size: int
) -> list[Window]:
    """Stretches of about `length` base tokens around new tokens, at most `per_token` for the sake of each of them.

    A new token stands in the middle of its stretch where the window allows it; stretches of one window do not overlap,
    and other new tokens that lie in one are trained with it.
    """
    taken: Counter[int] = Counter()
    head = np.asarray(prefix, dtype=np.int64)
    return [
        make_window(np.concatenate([head, window.student[start:end]]), pieces, base_size)
        for window in windows
        for start, end in _stretches(window, len(prefix), length, per_token, base_size, taken)
    ]


def _stretches(
    window: Window, begin: int, length: int, per_token: int, base_size: int, taken: Counter[int]
) -> Iterator[tuple[int, int]]:
    free = begin
    for place in np.flatnonzero(window.student >= base_size).tolist():
        number = int(window.student[place])
        if place < free or taken[number] >= per_token:
            continue
        taken[number] += 1
        start = max(free, int(np.searchsorted(window.ends, window.ends[place] - length // 2)))
        start = min(start, place)
        before = int(window.ends[start - 1]) if start else -1
        end = int(np.searchsorted(window.ends, before + length, side="right"))
        end = max(end, place + 1)
        yield start, end
        free = end
