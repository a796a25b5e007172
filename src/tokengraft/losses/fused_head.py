"""The frozen half of the head, and how it makes logits."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from tokengraft.model.projection import Projection


@dataclass(frozen=True, slots=True)
class Head:
    """The frozen half of the head, and how it makes logits."""

    weight: Float[Tensor, "base d"]
    bias: Float[Tensor, " base"] | None
    projection: Projection
