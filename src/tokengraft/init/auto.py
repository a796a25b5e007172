"""A choice by trial: a few dozen steps of distillation from each candidate."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("auto", paper="the best of `init.candidates` after `init.probe_steps` steps", needs=("probe",))
def auto(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """Rows by the method that did best in a short trial of distillation; the trial prints its table.

    The loss before any step is no guide: copying the first piece is among the worst starts of the head and ends among
    the best.
    """
    assert context.ingredients.probe is not None
    name = context.ingredients.probe("inputs" if context.table == "inputs" else "head")
    return initialisers.get(name)(table, tokens, context)
