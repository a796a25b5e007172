"""Rows made of the pieces that spelled the token before: their mean, the first, the last, weighted means."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("subtoken-mean", paper="Welch et al. 2020; Gee et al. 2022 (Fast Vocabulary Transfer)")
def subtoken_mean(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Mean of the rows of the token's pieces."""
    del context
    return torch.stack([table[list(token.pieces)].mean(0) for token in tokens])


@initialisers.register("first-subtoken", paper="KL self-distillation thesis, head rows")
def first_subtoken(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Row of the token's first piece: what the model predicts where the token begins."""
    del context
    return table[[token.pieces[0] for token in tokens]].clone()


@initialisers.register("last-subtoken")
def last_subtoken(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Row of the token's last piece: what the model has just read where the token ends."""
    del context
    return table[[token.pieces[-1] for token in tokens]].clone()


@initialisers.register("length-weighted", paper="weights by the length of each piece in bytes")
def length_weighted(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Mean of the rows of the token's pieces, each weighted by its length in bytes."""

    def row(token: Pieced) -> Float[Tensor, " d"]:
        weights = torch.tensor([float(len(context.token_bytes(piece))) for piece in token.pieces])
        return (weights / weights.sum()) @ table[list(token.pieces)]

    return torch.stack([row(token) for token in tokens])
