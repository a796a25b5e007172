"""The mean of the pieces that spelled the token before."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("subtoken-mean", paper="Gee et al. 2022 (Fast Vocabulary Transfer), eq. 1")
def subtoken_mean(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Mean of the rows of the token's pieces."""
    del context
    return torch.stack([table[list(token.pieces)].mean(0) for token in tokens])
