"""Short windows around the new tokens, each of them getting its share.

39 % of the divergence sits at a new token itself and 65 % within 15 positions behind it (design section 6), so a long
document spends most of its positions where there is little to learn.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tokengraft.training.windows import Decomposes, Window, make_window


@dataclasses.dataclass(frozen=True, slots=True)
class Reach:
    """How much text around an occurrence is read, in base tokens, and how many occurrences of a token."""

    before: int
    after: int
    per_token: int
    minimum: int
    spared: frozenset[int] = frozenset()
    """Tokens that get no stretch for their own sake: mere steps to others, which hardly any text reads."""


def around(
    windows: Sequence[Window], pieces: Decomposes, prefix: Sequence[int], reach: Reach, base_size: int
) -> list[Window]:
    """Stretches around new tokens: rare tokens choose first, and stretches of one window do not overlap.

    A token that lies in another's stretch is read there. One that is read fewer than `minimum` times has its stretches
    read again until it is, as often as there are.
    """
    free = [np.ones(len(window.student), dtype=bool) for window in windows]
    chosen: list[tuple[int, int, int]] = []
    taken: Counter[int] = Counter()
    for token, places in _by_rarity(windows, base_size):
        if token in reach.spared:
            continue
        for number, place in places:
            if taken[token] >= reach.per_token:
                break
            if not free[number][place]:
                continue
            start, end = _stretch(windows[number], free[number], place, len(prefix), reach)
            free[number][start:end] = False
            chosen.append((number, start, end))
            student = windows[number].student[start:end]
            taken.update(student[student >= base_size].tolist())
    head = np.asarray(prefix, dtype=np.int64)
    stretches = [
        make_window(np.concatenate([head, windows[number].student[start:end]]), pieces, base_size)
        for number, start, end in sorted(chosen)
    ]
    wanted = Counter({token: count for token, count in taken.items() if token not in reach.spared})
    return stretches + _again(stretches, wanted, reach.minimum, base_size)


def head_only(window: Window) -> Window:
    """The same text for the head alone: a window without a first new token teaches the input rows nothing."""
    return dataclasses.replace(window, first_new=len(window.student))


def _by_rarity(windows: Sequence[Window], base_size: int) -> list[tuple[int, list[tuple[int, int]]]]:
    """Each new token with its (window, place), rare tokens first."""
    found: dict[int, list[tuple[int, int]]] = {}
    for number, window in enumerate(windows):
        for place in np.flatnonzero(window.student >= base_size).tolist():
            found.setdefault(int(window.student[place]), []).append((number, place))
    return sorted(found.items(), key=lambda item: (len(item[1]), item[0]))


def _stretch(window: Window, free: np.ndarray, place: int, begin: int, reach: Reach) -> tuple[int, int]:
    """The student places [start, end) around a place: as far as the reach and other stretches allow."""
    first = int(window.ends[place - 1]) + 1 if place else 0
    start = max(begin, int(np.searchsorted(window.ends, first - reach.before)))
    end = int(np.searchsorted(window.ends, window.ends[place] + reach.after, side="right"))
    start, end = min(start, place), max(end, place + 1)
    blocked = np.flatnonzero(~free[start:place])
    start += int(blocked[-1]) + 1 if len(blocked) else 0
    blocked = np.flatnonzero(~free[place:end])
    return start, place + int(blocked[0]) if len(blocked) else end


def _again(stretches: Sequence[Window], taken: Counter[int], minimum: int, base_size: int) -> list[Window]:
    """Stretches of tokens that are read too seldom, once more and in turn."""
    rare = {token for token, count in taken.items() if count < minimum}
    places: dict[int, list[Window]] = {token: [] for token in sorted(rare)}
    for stretch in stretches:
        for token in set(stretch.student[stretch.student >= base_size].tolist()) & rare:
            places[token].append(stretch)
    return [own[turn % len(own)] for token, own in places.items() for turn in range(minimum - taken[token]) if own]
