"""The row of the first piece."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("first-subtoken", paper="KL self-distillation thesis, head rows")
def first_subtoken(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Row of the token's first piece: what the model predicts where the token begins."""
    del context
    return table[[token.pieces[0] for token in tokens]].clone()
