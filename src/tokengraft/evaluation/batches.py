"""Rows of ids for a model to read, and batches of them with little padding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Ids: TypeAlias = Sequence[int] | Int[np.ndarray, " ids"]


@dataclass(frozen=True, slots=True)
class Row:
    """Ids that are read together; those from `first` on are predicted, the ones before are context only."""

    ids: Ids
    first: int = 1
    teacher: Float[Tensor, "shared d"] | None = None
    """The base's hidden states at the bytes where ids end; None: nothing to compare with."""
    places: Int[np.ndarray, " shared"] | None = None
    """Places of the ids that those states belong to, rising; None: every id has one."""
    base_nats: Float[np.ndarray, " ids"] | None = None
    """What the text of the next id costs the base, in nats; NaN where the base has no boundary at both its ends."""
    since: Int[np.ndarray, " ids"] | None = None
    """Ids since the last new one: 0 at it, −1 before the first."""
    index: int = 0
    """The row's place among its fellows, which batches leave behind."""
    document: int = 0
    """The document that the text is from."""

    def __len__(self) -> int:
        return len(self.ids)


Sized = TypeVar("Sized", Row, Sequence[int])


def rolling_rows(ids: Sequence[int], prefix: int, context: int) -> Iterator[list[int]]:
    """Rows of at most `context` ids in which every id of `ids` is predicted exactly once.

    The first row starts from `prefix` (BOS), each later one from the id before it, as lm-eval's rolling windows do.

    >>> list(rolling_rows([5, 6, 7], prefix=0, context=3))
    [[0, 5, 6], [6, 7]]
    """
    step = context - 1
    for start in range(0, len(ids), step):
        yield [prefix if start == 0 else ids[start - 1], *ids[start : start + step]]


def length_batches(rows: Sequence[Sized], batch_tokens: int) -> Iterator[list[Sized]]:
    """Batches of rows of like length whose padded size stays within `batch_tokens`, unless one row alone exceeds it.

    >>> list(length_batches([[1], [2, 3, 4], [5, 6]], 4))
    [[[1], [5, 6]], [[2, 3, 4]]]
    """
    batch: list[Sized] = []
    for row in sorted(rows, key=len):
        if batch and len(row) * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def padded(rows: Sequence[Ids]) -> Int[Tensor, "rows width"]:
    """Rows padded on the right with 0. Padding is told by length, never by id.

    >>> padded([[1, 2], [3]]).tolist()
    [[1, 2], [3, 0]]
    """
    table = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for index, row in enumerate(rows):
        table[index, : len(row)] = torch.as_tensor(row)
    return table
