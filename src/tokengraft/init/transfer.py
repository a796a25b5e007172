"""Rows carried over from a donor model by a linear map."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers
from tokengraft.init.shared_tokens import half_of, shared_tokens


@initialisers.register(
    "transfer",
    paper="Mikolov et al. 2013, https://arxiv.org/abs/1309.4168, eq. 1, between two tables",
    needs=("donor",),
)
def transfer(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """The donor's row through the linear map W that carries its rows of shared tokens closest to the model's own.

    W = argmin Σ |W x − y|² over shared tokens, both sides centred; the least of them where there are several.
    """
    donor, shared = shared_tokens(table, context)
    source = donor.tables[half_of(context)][[there for _, there in shared]].double()
    target = table[[here for here, _ in shared]].double()
    centres = source.mean(0), target.mean(0)
    mapping = torch.linalg.pinv(source - centres[0], rtol=1e-6) @ (target - centres[1])
    carried = donor.rows(half_of(context), [token.bytes for token in tokens]).double()
    return ((carried - centres[0]) @ mapping + centres[1]).float()
