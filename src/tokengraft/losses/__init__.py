"""Objectives of the new rows, one a file, and the fused loss that runs them a chunk of positions at a time.

An objective of logits gets those of a chunk and returns the loss of each position, and its gradient at those logits.
Gradients are formed in the forward pass, so nothing of size positions × vocabulary outlives its chunk. An objective of
hidden states is differentiated by torch: its states are no larger than what the model made anyway.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses.top_teacher import TopTeacher
from tokengraft.registry import Registry

NO_TARGET = -100
"""Target of a position that has none, as in torch's cross-entropy."""


@dataclass(slots=True)
class InputChunk:
    """What an objective of the input rows sees of some positions."""

    old: Float[Tensor, "positions base"]
    """The student's logits over the base vocabulary; may be overwritten."""
    new: Float[Tensor, "positions new"]
    """Its logits of the new tokens; may be overwritten."""
    teacher: Float[Tensor, "positions base"] | TopTeacher | None
    """The teacher's logits, or the largest of them; may be overwritten. None where no objective needs a teacher."""
    targets: Int[Tensor, " positions"]
    """The next extended id, or −100."""
    temperature: float = 1.0


@dataclass
class HeadChunk:
    """What an objective of the head rows sees of some positions."""

    old: Float[Tensor, "positions base"]
    """Handed on to other objectives: not to be changed."""
    new: Float[Tensor, "positions new"]
    """May be overwritten."""
    targets: Int[Tensor, " positions"]
    """The next extended id, or −100."""
    soft: Float[Tensor, "positions new"] | None = None
    """p(new | context) by the teacher; None where no objective needs it."""
    soft_old: Float[Tensor, " positions"] | None = None
    """Σ p(old | context) · (logit of old), of the mass that stays with the old tokens."""

    @cached_property
    def old_total(self) -> Float[Tensor, " positions"]:
        """Log-sum of the old logits: all that the new rows' gradient needs of them."""
        return self.old.logsumexp(1)


InputObjective: TypeAlias = Callable[
    [InputChunk],
    tuple[Float[Tensor, " positions"], Float[Tensor, "positions base"], Float[Tensor, "positions new"] | None],
]
"""Chunk → (loss, gradient at the old logits, gradient at the new ones or None where it has none)."""

HeadObjective: TypeAlias = Callable[
    [HeadChunk],
    tuple[Float[Tensor, " positions"], Float[Tensor, "positions new"]],
]
"""Chunk → (loss, gradient at the new logits)."""

StateObjective: TypeAlias = Callable[
    [Float[Tensor, "positions d"], Float[Tensor, "positions d"]], Float[Tensor, " positions"]
]
"""(student's hidden states, teacher's) → loss, to be differentiated."""

TEACHER = "teacher"
"""What an objective needs that compares with the model reading its own tokenization."""

NEW = "new logits"
"""What an objective of the input rows needs that looks at the student's logits of new tokens; else it gets none."""

input_objectives: Registry[InputObjective] = Registry("objective", "tokengraft.losses")
head_objectives: Registry[HeadObjective] = Registry("head objective", "tokengraft.losses")
state_objectives: Registry[StateObjective] = Registry("objective", "tokengraft.losses")

__all__ = [
    "NEW",
    "NO_TARGET",
    "TEACHER",
    "HeadChunk",
    "HeadObjective",
    "InputChunk",
    "InputObjective",
    "StateObjective",
    "head_objectives",
    "input_objectives",
    "state_objectives",
]
