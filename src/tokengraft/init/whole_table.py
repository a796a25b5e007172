"""Rows made of the whole table, blind to what the token is: the baselines of the literature."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("mean", paper="Hewitt 2021")
def mean(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """Mean of all old rows, the same for every token."""
    del context
    return table.mean(0).expand(len(tokens), -1).clone()


@initialisers.register("random-normal", paper="isotropic, with the table's own mean and standard deviation by column")
def random_normal(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Normal draws with the mean and standard deviation of each column of the table."""
    noise = torch.randn(len(tokens), table.shape[1], generator=context.generator)
    return table.mean(0) + noise * table.std(0)
