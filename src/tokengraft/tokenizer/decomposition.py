"""D(t): the base ids that each id of an extended tokenizer stands for."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Int


class Decomposition:
    """The pieces of every id as flat arrays: a base id is its own piece, a new id has two or more.

    >>> parts = Decomposition.from_pieces(3, [(0, 1), (0, 1, 2)])
    >>> parts.flatten(np.array([2, 4, 3])).tolist()
    [2, 0, 1, 2, 0, 1]
    >>> parts.last_piece_index(np.array([2, 4, 3])).tolist()
    [0, 3, 5]
    """

    def __init__(self, base_size: int, pieces: Int[np.ndarray, " pieces"], lengths: Int[np.ndarray, " ids"]) -> None:
        self.base_size = base_size
        self.lengths = lengths
        """Number of pieces of every id; 1 for base ids."""
        self._pieces = pieces
        self._starts = np.cumsum(lengths) - lengths

    @classmethod
    def from_pieces(cls, base_size: int, pieces: Sequence[Sequence[int]]) -> "Decomposition":
        """The table for ids [0, base_size), which stand for themselves, and one new id for each entry of `pieces`."""
        new = np.fromiter((piece for entry in pieces for piece in entry), np.int64)
        assert not len(new) or 0 <= new.min() <= new.max() < base_size, "pieces are base ids"
        lengths = np.ones(base_size + len(pieces), np.int64)
        lengths[base_size:] = np.fromiter(map(len, pieces), np.int64, len(pieces))
        return cls(base_size, np.concatenate([np.arange(base_size, dtype=np.int64), new]), lengths)

    def flatten(self, ids: Int[np.ndarray, " extended"]) -> Int[np.ndarray, " base"]:
        """The base ids of a sequence, every new id replaced by its pieces. O(output)."""
        lengths = self.lengths[ids]
        ends = np.cumsum(lengths)
        places = np.repeat(self._starts[ids] - (ends - lengths), lengths)
        places += np.arange(len(places))
        return self._pieces[places]

    def last_piece_index(self, ids: Int[np.ndarray, " extended"]) -> Int[np.ndarray, " extended"]:
        """For each id the place of its last piece in `flatten(ids)`: there both sequences end at the same byte."""
        return np.cumsum(self.lengths[ids]) - 1

    @cached_property
    def size(self) -> int:
        """Number of ids, base and new."""
        return len(self.lengths)
