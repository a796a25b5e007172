"""The first piece's row, lowered to the share of its mass that is the token's."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers
from tokengraft.init.covering import shares_of_first

RIDGE = 1e-3
"""Against the mean variance of a direction of the hidden states."""


@initialisers.register(
    "first-subtoken-calibrated",
    paper="first-subtoken, its mass corrected: docs/chain_rule.md",
    needs=("corpus", "states"),
)
def first_subtoken_calibrated(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Row of the first piece, plus ln r · u: r is how often the token comes where its first piece does, in the corpus.

    A copy of the first piece's row has the logit of the first piece, so k tokens that begin alike take k times its
    mass. A head without bias cannot subtract a constant, but hidden states have a direction of nearly constant length:
    u = argmin E(h·u − 1)² + ridge, and adding ln r · u lowers the logit by about ln(1/r) wherever the model is.
    """
    rows = table[[token.pieces[0] for token in tokens]].clone()
    shares = shares_of_first(context.ingredients, tokens)
    assert context.ingredients.states is not None
    lowering = torch.log(torch.tensor(shares, dtype=torch.float32))[:, None]
    if context.table == "bias":
        return rows  # the shift is in the weights already
    return rows + lowering * constant_direction(context.ingredients.states())


def constant_direction(states: Float[Tensor, "positions d"]) -> Float[Tensor, " d"]:
    """U with h·u ≈ 1 on the states.

    >>> constant_direction(torch.tensor([[2.0, 1.0], [2.0, -1.0]])).round(decimals=2).tolist()
    [0.5, 0.0]
    """
    wide = states.double()
    moments = wide.T @ wide / len(wide)
    ridge = RIDGE * moments.diagonal().mean() * torch.eye(len(moments), dtype=moments.dtype)
    return torch.linalg.solve(moments + ridge, wide.mean(0)).float()
