"""Align: which old tokens cover a new one in the corpus, and how often."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers
from tokengraft.init.covering import coverings


@initialisers.register(
    "align", paper="Yamaguchi et al. 2024, https://arxiv.org/abs/2406.11477, Align; thesis eq. 15", needs=("corpus",)
)
def align(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """Mean over the token's occurrences in the corpus of the mean of the old tokens that cover it there.

    The corpus is encoded by both tokenizers; e(t) = Σ_s f(s, t) · mean(E[s]) with f(s, t) the share of the occurrences
    of t that the base spells as the sequence s. Under a conservative extension there is one such s, the token's pieces,
    and the method is `subtoken-mean`. A token that does not occur starts there as well.
    """
    counts = coverings(context.ingredients, {token.id for token in tokens})

    def row(token: Pieced) -> Float[Tensor, " d"]:
        found = counts.get(token.id) or {tuple(token.pieces): 1}
        weights = torch.tensor([float(count) for count in found.values()])
        return (weights / weights.sum()) @ torch.stack([table[list(pieces)].mean(0) for pieces in found])

    return torch.stack([row(token) for token in tokens])
