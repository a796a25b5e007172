"""Distinct pre-tokens as ids, side by side in one array."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Bool, Int


@dataclass(frozen=True, slots=True)
class Words:
    """Distinct words, each a run of ids, with how often it occurs.

    >>> words = Words.of([[5, 6], [7]], [10, 3])
    >>> words.ids.tolist(), words.lengths.tolist(), words.total, words.several_ids().counts.tolist()
    ([5, 6, 7], [2, 1], 23, [10])
    """

    ids: Int[np.ndarray, " places"]
    lengths: Int[np.ndarray, " words"]
    counts: Int[np.ndarray, " words"]

    @classmethod
    def of(cls, encoded: Sequence[Sequence[int]], counts: Sequence[int]) -> "Words":
        """Words from their ids, one list a word."""
        return cls(
            np.fromiter(chain.from_iterable(encoded), np.int64),
            np.fromiter(map(len, encoded), np.int64, len(encoded)),
            np.asarray(counts, np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence["Words"]) -> "Words":
        """The words of all parts, in their order."""
        return (
            cls.of([], [])
            if not parts
            else cls(
                np.concatenate([part.ids for part in parts]),
                np.concatenate([part.lengths for part in parts]),
                np.concatenate([part.counts for part in parts]),
            )
        )

    @property
    def total(self) -> int:
        """Ids in the whole text: every word as often as it occurs."""
        return int(self.lengths @ self.counts)

    def several_ids(self) -> "Words":
        """The words of two ids or more: all that a merge can shorten."""
        keep = self.lengths > 1
        return Words(self.ids[np.repeat(keep, self.lengths)], self.lengths[keep], self.counts[keep])

    def cut_at(self, alone: Bool[np.ndarray, " size"]) -> "Words":
        """The words cut before and after each id that is marked in `alone`; such an id is a word of its own.

        >>> cut = Words.of([[1, 2, 0, 0, 3]], [7]).cut_at(np.array([True, False, False, False]))
        >>> cut.lengths.tolist(), cut.counts.tolist()
        ([2, 1, 1, 1], [7, 7, 7, 7])
        """
        lone = alone[self.ids]
        filled = self.lengths[self.lengths > 0]
        begins = np.zeros(len(self.ids), bool)
        begins[np.cumsum(filled) - filled] = True
        begins |= lone
        begins[1:] |= lone[:-1]
        starts = np.flatnonzero(begins)
        lengths = np.diff(starts, append=len(self.ids))
        return Words(self.ids, lengths, np.repeat(self.counts, self.lengths)[starts])

    def occurrences(self, size: int) -> Int[np.ndarray, " size"]:
        """How often each id in [0, size) occurs in the whole text."""
        totals = np.zeros(size, np.int64)
        np.add.at(totals, self.ids, np.repeat(self.counts, self.lengths))
        return totals
