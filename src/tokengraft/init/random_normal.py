"""Normal draws: isotropic, and with the table's own mean and covariance."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register("random-normal", paper="the usual initialisation; the random start of the KL thesis")
def random_normal(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Isotropic normal draws around 0, their entries as large as the table's (root mean square)."""
    noise = torch.randn(len(tokens), table.shape[1], generator=context.generator)
    return noise * table.square().mean().sqrt()


@initialisers.register(
    "random-normal-covariance", paper="Hewitt 2021; `mean_resizing` of transformers, there with the covariance × 1e-9"
)
def random_normal_covariance(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Draws of the normal distribution with the table's mean and covariance: N(μ, Σ).

    Drawn as μ + (E − μ)ᵀ z / √(V − 1) with standard normal z of V numbers, which has covariance Σ exactly and needs no
    factorisation, so that fewer rows than columns are no trouble. transformers multiplies Σ by 1e-9, which makes rows
    that are nearly identical: `mean` in all but name.
    """
    centre = table.mean(0)
    noise = torch.randn(len(tokens), len(table), generator=context.generator)
    return centre + noise @ (table - centre) / max(1, len(table) - 1) ** 0.5
