"""What can be said of a table after reading each of its rows once."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tokengraft.diagnosis.weights import Weights, chunks

MULTIPLIER = -7046029254386353131
"""Odd, so that multiplying by its powers loses no bit of an int64 (golden ratio · 2⁶⁴)."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one table; each has a value for every row."""

    name: str
    dtype: torch.dtype
    width: int
    norms: Float[Tensor, " rows"]
    finite: Bool[Tensor, " rows"]
    hashes: Int[Tensor, " rows"]
    """Equal where the bits of two rows are, up to one chance in 2⁶⁴."""
    mean: Float[Tensor, " d"]
    """Of the finite rows."""
    variance: float
    """Of the entries of the finite rows."""
    kurtosis: float
    """Of the same: 3 for a normal distribution."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.norms.shape[0]

    def typical(self, below: int) -> float:
        """Median norm of the finite, non-zero rows under `below`."""
        norms = self.norms[:below][self.finite[:below] & (self.norms[:below] > 0)]
        return float(norms.median()) if len(norms) else 0.0


@dataclass(frozen=True)
class Tables:
    """Both tables of a model. `head` is the input table itself where one tensor serves both."""

    weights: Weights
    input_name: str
    head_name: str | None
    """None where the weights hold no head of their own."""
    tied: bool
    """As the model's settings say."""
    shared: bool
    """Whether one tensor serves both in these weights."""

    @cached_property
    def input(self) -> Table:
        """Figures of the input embedding."""
        return study(self.weights, self.input_name)

    @cached_property
    def head(self) -> Table:
        """Figures of the head."""
        return self.input if self.shared or self.head_name is None else study(self.weights, self.head_name)

    @property
    def rows(self) -> int:
        """Rows of the input table, from the header."""
        return self.weights.shape(self.input_name)[0]

    @property
    def head_rows(self) -> int:
        """Rows of the head."""
        return self.weights.shape(self.head_name or self.input_name)[0]

    def each(self) -> list[tuple[str, Table]]:
        """The tables that are there, with what to call them."""
        if self.shared or self.head_name is None:
            return [("input table" if not self.shared else "table", self.input)]
        return [("input table", self.input), ("head", self.head)]


def study(weights: Weights, name: str) -> Table:
    """The figures of a table, read in slices."""
    rows, width = weights.shape(name)
    norms, finite, hashes = torch.zeros(rows), torch.zeros(rows, dtype=torch.bool), torch.zeros(rows, dtype=torch.int64)
    total, second, fourth, count = torch.zeros(width, dtype=torch.float64), 0.0, 0.0, 0
    for start, stored in chunks(weights, name):
        part, stop = stored.float(), start + len(stored)
        squares = part.square()
        norms[start:stop] = squares.sum(1).sqrt()
        finite[start:stop] = _finite_rows(part, norms[start:stop])
        hashes[start:stop] = row_hashes(stored)
        if not bool(finite[start:stop].all()):
            part, squares = part[finite[start:stop]], squares[finite[start:stop]]
        total += part.sum(0)
        second += float(squares.sum(1).sum(dtype=torch.float64))
        fourth += float(squares.norm(dim=1).double().square().sum())
        count += part.numel()
    mean = total / max(1, int(finite.sum()))
    variance = second / max(1, count)
    kurtosis = fourth / max(1, count) / variance**2 if variance else 0.0
    return Table(name, weights.dtype(name), width, norms, finite, hashes, mean, variance, kurtosis)


def _finite_rows(rows: Float[Tensor, "n d"], norms: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Whether each row is finite; read entry by entry only where the norm is not, as it can overflow by itself."""
    finite = norms.isfinite()
    doubtful = ~finite
    if bool(doubtful.any()):
        finite[doubtful] = rows[doubtful].isfinite().all(1)
    return finite


def row_hashes(rows: Tensor) -> Int[Tensor, " rows"]:
    """A 64-bit number for the bits of each row.

    >>> row_hashes(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]])).unique().numel()
    2
    """
    kinds = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.uint8}
    whole = rows.shape[1] * rows.element_size() % 8 == 0  # eight bytes at a time, where they divide a row
    bits = rows.contiguous().view(torch.int64 if whole else kinds[rows.element_size()]).long()
    powers = torch.full((bits.shape[1],), MULTIPLIER).cumprod(0)
    return (bits * powers).sum(1)
