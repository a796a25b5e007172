"""Rows carried over from a donor model by orthogonal matching pursuit."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers
from tokengraft.init.shared_tokens import half_of, shared_tokens


@initialisers.register(
    "omp", paper="Goddard & Fernandes Neto 2025, https://arxiv.org/abs/2506.06607, eq. 1 to 3", needs=("donor",)
)
def omp(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """The donor's row as a sparse combination of rows of shared tokens; the same combination of the model's own rows.

    Orthogonal matching pursuit picks at most `init.neighbours` (k) shared tokens one by one, each the one most
    correlated with what is left, and solves least squares for those chosen in closed form after each. A token that the
    donor lacks is the mean of the donor's own pieces of it.
    """
    donor, shared = shared_tokens(table, context)
    atoms = donor.tables[half_of(context)][[there for _, there in shared]]
    targets = donor.rows(half_of(context), [token.bytes for token in tokens])
    weights = pursue(atoms, targets, min(context.ingredients.settings.neighbours, *atoms.shape))
    return (weights @ table[[here for here, _ in shared]].double()).float()


def pursue(
    atoms: Float[Tensor, "atoms e"], targets: Float[Tensor, "tokens e"], k: int
) -> Float[Tensor, "tokens atoms"]:
    """Weights of orthogonal matching pursuit, k of them for each target, in double precision.

    Atoms are compared by their cosine with the residual, and solved for as they are.
    """
    atoms, targets = atoms.double(), targets.double()
    unit = torch.nn.functional.normalize(atoms, dim=1)
    weights = atoms.new_zeros(len(targets), len(atoms))
    for row, target in enumerate(targets):
        weights[row] = _pursue_one(atoms, unit, target, k)
    return weights


def _pursue_one(
    atoms: Float[Tensor, "atoms e"], unit: Float[Tensor, "atoms e"], target: Float[Tensor, " e"], k: int
) -> Float[Tensor, " atoms"]:
    chosen: list[int] = []
    solved = atoms.new_zeros(0)
    residual = target
    for _ in range(k):
        fit = (unit @ residual).abs()
        fit[chosen] = -1
        best = int(fit.argmax())
        if fit[best] <= 1e-9 * target.norm():
            break
        chosen.append(best)
        solved = torch.linalg.lstsq(atoms[chosen].T, target[:, None]).solution[:, 0]
        residual = target - solved @ atoms[chosen]
    weights = atoms.new_zeros(len(atoms))
    weights[chosen] = solved
    return weights
