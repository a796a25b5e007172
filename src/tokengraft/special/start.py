"""First rows of control tokens, as functions on a table: from similar tokens, a description, or the whole table."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def typical_norm(table: Float[Tensor, "base d"]) -> float:
    """Median norm of the rows that are not zero."""
    norms = table.norm(dim=1)
    return float(norms[norms > 0].median()) if bool((norms > 0).any()) else 1.0


def similar_rows(table: Float[Tensor, "base d"], groups: Sequence[Sequence[int]]) -> Float[Tensor, " d"]:
    """One row: the mean over `groups` of the mean of each group's rows, as long as those rows are on average.

    A group is what one similar word is spelled with. A mean of rows that point apart is short; under RMSNorm a short
    row gets larger gradients than its neighbours, so its length is set back to theirs.

    >>> table = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> similar_rows(table, [[0], [1]])
    tensor([1.4142, 1.4142])
    """
    mean = torch.stack([table[list(group)].mean(0) for group in groups]).mean(0)
    used = sorted({number for group in groups for number in group})
    return _with_norm(mean, float(table[used].norm(dim=1).mean()))


def typical_rows(table: Float[Tensor, "base d"], count: int, generator: torch.Generator) -> Float[Tensor, "count d"]:
    """Rows drawn about the mean with each column's own spread, each of the table's typical length.

    The mean itself would make all new tokens one and the same, and far shorter than any other row.
    """
    noise = torch.randn(count, table.shape[1], generator=generator)
    drawn = table.mean(0) + noise * table.std(0)
    norm = typical_norm(table)
    return torch.stack([_with_norm(row, norm) for row in drawn]) if count else drawn


def _with_norm(row: Float[Tensor, " d"], norm: float) -> Float[Tensor, " d"]:
    length = float(row.norm())
    return row * (norm / length) if length > 0 else row
