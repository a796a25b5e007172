"""The mean of the pieces, the longer ones counting for more."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("length-weighted", paper="weights by the length of each piece in bytes")
def length_weighted(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Mean of the rows of the token's pieces, each weighted by its length in bytes."""

    def row(token: Pieced) -> Float[Tensor, " d"]:
        weights = torch.tensor([float(len(context.token_bytes(piece))) for piece in token.pieces])
        return (weights / weights.sum()) @ table[list(token.pieces)]

    return torch.stack([row(token) for token in tokens])
