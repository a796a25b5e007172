"""The pairs that can still be merged, the most frequent first."""

import heapq

import numpy as np
from jaxtyping import Int

from tokengraft.tokenizer.merging.chains import Pairs, Places


class PairTable:
    """Counts and places of pairs, with a heap over the counts.

    All occurrences of a pair come into being at one moment, when the later of its two tokens is made; from then on they
    only become fewer. So a pair enters once, one that falls below `min_count` leaves for good, its places are one
    ascending array, some of them out of date, and an entry of the heap may promise too much but never too little.
    """

    def __init__(self, min_count: int, keep_rare: int = 0) -> None:
        self._min_count = min_count
        self._keep_rare = keep_rare
        self.rare: list[tuple[int, int]] = []
        """(count, key) of the most frequent pairs that never reached `min_count`, at most `keep_rare`, as a heap."""
        self._counts: dict[int, int] = {}
        self._places: dict[int, Places] = {}
        self._heap: list[tuple[int, int]] = []

    def add(self, pairs: Pairs) -> None:
        """Enters new pairs with all their places."""
        order, starts = _groups(pairs.keys)
        if not len(starts):
            return
        totals = np.add.reduceat(pairs.weights[order], starts)
        ends = np.append(starts[1:], len(order))
        places = pairs.places[order]
        for group in np.flatnonzero(totals >= self._min_count).tolist():
            start, count = int(starts[group]), int(totals[group])
            key = int(pairs.keys[order[start]])
            self._counts[key] = count
            self._places[key] = places[start : ends[group]]
            heapq.heappush(self._heap, (-count, key))
        self._note_rare(totals, pairs.keys[order[starts]])

    def _note_rare(self, totals: Int[np.ndarray, " groups"], keys: Int[np.ndarray, " groups"]) -> None:
        least = self.rare[0][0] if len(self.rare) == self._keep_rare > 0 else 0
        close = np.flatnonzero((totals < self._min_count) & (totals > least))
        for group in close[np.argsort(-totals[close], kind="stable")][: self._keep_rare].tolist():
            heapq.heappush(self.rare, (int(totals[group]), int(keys[group])))
            if len(self.rare) > self._keep_rare:
                heapq.heappop(self.rare)

    def subtract(self, pairs: Pairs) -> None:
        """Takes away pairs that a merge has broken."""
        order, starts = _groups(pairs.keys)
        if not len(starts):
            return
        totals = np.add.reduceat(pairs.weights[order], starts)
        for key, lost in zip(pairs.keys[order[starts]].tolist(), totals.tolist(), strict=True):
            if key in self._counts:
                self._counts[key] -= lost
                if self._counts[key] < self._min_count:
                    del self._counts[key], self._places[key]

    def best(self) -> int:
        """Count of the most frequent pair; 0 where there is none."""
        while self._heap:
            promised, key = self._heap[0]
            count = self._counts.get(key)
            if count is None:
                heapq.heappop(self._heap)
            elif count == -promised:
                return count
            else:
                heapq.heapreplace(self._heap, (-count, key))
        return 0

    def pop(self) -> tuple[int, int, Places] | None:
        """(key, count, places) of the most frequent pair, of equals the smallest ids; it leaves. None: no pair."""
        if not self.best():
            return None
        key = heapq.heappop(self._heap)[1]
        return key, self._counts.pop(key), self._places.pop(key)

    def __len__(self) -> int:
        return len(self._counts)


def _groups(
    keys: Int[np.ndarray, " pairs"],
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " groups"]]:
    """(order that sorts the keys and keeps equal ones in place, where each group of equal keys starts in it)."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    changes = np.ones(len(keys), bool)
    changes[1:] = ordered[1:] != ordered[:-1]
    return order, np.flatnonzero(changes)
