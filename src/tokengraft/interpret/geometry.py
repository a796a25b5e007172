"""Norms and singular values of the new rows beside the old: rows that collapsed into one show here."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Geometry:
    """The rows of a table in numbers."""

    norms: Float[Tensor, " rows"]
    spectrum: Float[Tensor, " values"]
    """Singular values of the rows less their mean, each as a share of their sum, largest first."""
    effective_rank: float
    """exp of the spectrum's entropy (Roy & Vetterli 2007): about 1 where all rows lie on one line."""


def geometry(rows: Float[Tensor, "rows d"]) -> Geometry:
    """The geometry of some rows.

    >>> round(geometry(torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])).effective_rank, 3)
    1.0
    >>> round(geometry(torch.ones(4, 3)).effective_rank, 3)  # all the same: no spread at all
    0.0
    """
    wide = rows.detach().double().cpu()
    values = torch.linalg.svdvals(wide - wide.mean(0))
    total = values.sum()
    if total <= 1e-9 * wide.norm().clamp_min(1e-300):
        return Geometry(wide.norm(dim=1).float(), torch.zeros_like(values).float(), 0.0)
    share = values / total
    entropy = -(share * share.clamp_min(1e-300).log()).sum()
    return Geometry(wide.norm(dim=1).float(), share.float(), float(entropy.exp()))
