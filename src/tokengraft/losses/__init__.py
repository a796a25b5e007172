"""Objectives of the new rows, one a file, and the fused loss that runs them a chunk of positions at a time.

An objective gets the logits of a chunk and returns the loss of each position, and its gradient at those logits.
Gradients are formed in the forward pass, so nothing of size positions × vocabulary outlives its chunk.
"""

from collections.abc import Callable
from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.registry import Registry

InputObjective: TypeAlias = Callable[
    [Float[Tensor, "positions base"], Float[Tensor, "positions base"], float],
    tuple[Float[Tensor, " positions"], Float[Tensor, "positions base"]],
]
"""(student logits, teacher logits, temperature) → (loss, gradient at the student's logits); may overwrite both."""

HeadObjective: TypeAlias = Callable[
    [Float[Tensor, "positions base"], Float[Tensor, "positions new"], Int[Tensor, " positions"]],
    tuple[Float[Tensor, " positions"], Float[Tensor, "positions new"]],
]
"""(old logits, new logits, target ids or −100) → (loss, gradient at the new logits); may overwrite the new logits."""

input_objectives: Registry[InputObjective] = Registry("objective", "tokengraft.losses")
head_objectives: Registry[HeadObjective] = Registry("head objective", "tokengraft.losses")

NO_TARGET = -100
"""Target of a position that has none, as in torch's cross-entropy."""

__all__ = ["NO_TARGET", "HeadObjective", "InputObjective", "head_objectives", "input_objectives"]
