"""The row of the last piece."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("last-subtoken", paper="where rows without a start of their own drift to: see docs/study.md")
def last_subtoken(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Row of the token's last piece: what the model has just read where the token ends."""
    del context
    return table[[token.pieces[-1] for token in tokens]].clone()
