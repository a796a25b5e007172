"""Words as linked lists of symbols in flat arrays: a merge rewrites all its places at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from tokengraft.tokenizer.merging.words import Words

NONE = -1
"""Neighbour of a word's first and last symbol."""

GONE = -1
"""Symbol of a place that a merge has swallowed."""

HIDDEN = 1 << 30
"""Symbols from here on join nothing: a character that has no id of its own, as this and its code point."""

Places = Int[np.ndarray, " places"]
Standing = Int[np.ndarray, " standing"]
Ids = Int[np.ndarray, " pairs"]


def pair_key(left: Ids | int, right: Ids | int) -> Ids:
    """One number for two ids, in the order of (left, right)."""
    return np.left_shift(np.asarray(left, np.int64), 32) | right


def key_pair(key: int) -> tuple[int, int]:
    """The two ids of a key.

    >>> key_pair(int(pair_key(np.array([7]), 9)[0]))
    (7, 9)
    """
    return key >> 32, key & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Pairs:
    """Neighbouring symbols: what they are, where the left one stands, and how often their word occurs."""

    keys: Int[np.ndarray, " pairs"]
    places: Int[np.ndarray, " pairs"]
    weights: Int[np.ndarray, " pairs"]

    @classmethod
    def none(cls) -> "Pairs":
        """No pair at all."""
        return cls(*(np.zeros(0, np.int64) for _ in range(3)))

    def open(self) -> "Pairs":
        """Those of which no side is hidden."""
        keep = (self.keys >> 32 < HIDDEN) & (self.keys & 0xFFFFFFFF < HIDDEN)
        return self if keep.all() else Pairs(self.keys[keep], self.places[keep], self.weights[keep])


class Chains:
    """All words at once: `symbols[i]` is the id at place i, `following[i]` and `preceding[i]` its neighbours."""

    def __init__(self, words: Words) -> None:
        ends = np.cumsum(words.lengths)
        starts = ends - words.lengths
        self.symbols = words.ids.copy()
        self.following = np.arange(1, len(words.ids) + 1)
        self.following[ends - 1] = NONE
        self.preceding = np.arange(-1, len(words.ids) - 1)
        self.preceding[starts] = NONE
        self.weights = np.repeat(words.counts, words.lengths)
        self._any_hidden = bool((words.ids >= HIDDEN).any())

    def pairs(self) -> Pairs:
        """Every pair of neighbours that can join."""
        return self._pairs_of(np.flatnonzero(self.following != NONE))

    def _pairs_of(self, left: Places) -> Pairs:
        """The pairs that begin at these places."""
        pairs = Pairs(pair_key(self.symbols[left], self.symbols[self.following[left]]), left, self.weights[left])
        return pairs.open() if self._any_hidden else pairs

    def standing(self, start: int, end: int) -> Places:
        """The places of [start, end) that no merge has swallowed."""
        return start + np.flatnonzero(self.symbols[start:end] != GONE)

    def remove(self, places: Places) -> Pairs:
        """The pairs of a word that stands at `places`, which is taken out."""
        broken = self._pairs_of(places[:-1])
        self.symbols[places] = GONE
        self.following[places] = self.preceding[places] = NONE
        return broken

    def reveal(self, places: Places, new: int) -> Pairs:
        """The pairs that come to be where the hidden symbol at `places`, in ascending order, becomes `new`."""
        self.symbols[places] = new
        before = self.preceding[places]
        before = before[before != NONE]
        right = self._pairs_of(places[self.following[places] != NONE])
        # A pair of two new symbols begins at a place of its own already.
        left = self._pairs_of(before[self.symbols[before] != new])
        parts = zip((left.keys, left.places, left.weights), (right.keys, right.places, right.weights), strict=True)
        return Pairs(*map(np.concatenate, parts))

    def occurrences(self, places: Places, left: int, right: int) -> Standing:
        """Those of `places`, in ascending order, at which `left right` still stands and is merged, from the left."""
        places = places[(self.symbols[places] == left) & (self.following[places] != NONE)]
        places = places[self.symbols[self.following[places]] == right]
        return self._without_overlap(places) if left == right else places

    def _without_overlap(self, places: Places) -> Standing:
        """Every second of places that follow each other: `aaaa` holds the pair `aa` three times and merges twice."""
        begins_run = np.ones(len(places), bool)
        begins_run[1:] = self.following[places[:-1]] != places[1:]
        index = np.arange(len(places))
        run_start = np.maximum.accumulate(np.where(begins_run, index, 0))
        return places[(index - run_start) % 2 == 0]

    def merge(self, places: Places, left: int, right: int, new: int) -> tuple[Pairs, Pairs]:
        """(pairs that this breaks, pairs that it makes), once `left right` at each of `places` has become `new`.

        Two occurrences side by side share one broken and one made pair; each is counted once, by the occurrence on its
        left.
        """
        swallowed = self.following[places]
        after = self.following[swallowed]
        before = self.preceding[places]
        self.symbols[swallowed] = GONE
        # A neighbour on the left that has just gone belongs to another occurrence, which counts the shared pair.
        on_left = (before != NONE) & (self.symbols[before] != GONE)
        on_right = after != NONE
        before, after = before[on_left], after[on_right]
        holders, closers = places[on_left], places[on_right]
        weights = np.concatenate([self.weights[holders], self.weights[closers]])
        kept = np.concatenate([before, closers])
        broken = np.concatenate([pair_key(self.symbols[before], left), pair_key(right, self.symbols[after])])
        self.symbols[places] = new
        self.following[places] = NONE
        self.following[closers] = after
        self.preceding[after] = closers
        made = np.concatenate([pair_key(self.symbols[before], new), pair_key(new, self.symbols[after])])
        pairs = Pairs(made, kept, weights)
        return Pairs(broken, kept, weights), pairs.open() if self._any_hidden else pairs
