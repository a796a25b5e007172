"""The mean of the whole table, blind to what the token is."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("mean", paper="Hewitt 2021, https://nlp.stanford.edu/~johnhew/vocab-expansion.html")
def mean(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """Mean of all old rows, the same for every token."""
    del context
    return table.mean(0).expand(len(tokens), -1).clone()
