"""Exponential weights of the pieces: the last counts most in the input table, the first in the head."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("exponential", paper="Nakash et al. 2025 (AdaptiVocab), exponential embedding initialization")
def exponential(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Mean of the pieces' rows with weights that halve from piece to piece.

    The last piece weighs most among input rows, for it has just been read; the first in the head, for what is to be
    predicted begins with it. Weights are 2^(−i),
    normalised, as in the authors' code (https://github.com/itay-nakash/AdaptiVocab).
    """
    outwards = context.table == "inputs"

    def row(token: Pieced) -> Float[Tensor, " d"]:
        weights = 0.5 ** torch.arange(len(token.pieces), dtype=torch.float32)
        weights = weights.flip(0) if outwards else weights
        return (weights / weights.sum()) @ table[list(token.pieces)]

    return torch.stack([row(token) for token in tokens])
