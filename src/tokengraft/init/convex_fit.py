"""The head's rows as one convex fit."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("convex-fit", paper="docs/chain_rule.md; DESIGN: the head is convex in its rows", needs=("fit",))
def convex_fit(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Rows that the first pieces' rows become when they are fitted to cached hidden states of the corpus, by L-BFGS.

    For the head alone: what an input row does is not convex in it. A bias starts as that of the first piece.
    """
    start = table[[token.pieces[0] for token in tokens]].clone()
    assert context.ingredients.fit is not None
    return start if context.table == "bias" else context.ingredients.fit(start)
