"""Both losses in one pass over the positions, a chunk at a time, with gradients formed in the forward.

The plain way keeps the logits of every position for the backward pass: at 4 096 positions and 128 000 tokens that is
2 GB for the student and as much for the teacher. Here a chunk's logits live while the chunk is worked on; what is kept
is the gradient at the hidden states and at the new head rows.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses import HeadObjective, InputObjective
from tokengraft.model.projection import Projection


@dataclass(frozen=True, slots=True)
class Head:
    """The frozen half of the head, and how it makes logits."""

    weight: Float[Tensor, "base d"]
    bias: Float[Tensor, " base"] | None
    projection: Projection


@dataclass(frozen=True, slots=True)
class Targets:
    """What each position is compared with.

    `teacher` None: these positions have no input objective (before the first new token both passes are the same).
    """

    teacher: Float[Tensor, "positions d"] | None
    ids: Int[Tensor, " positions"]
    input_weight: float
    head_weight: float


@dataclass(frozen=True, slots=True)
class Objectives:
    """The two objectives, the temperature of the first, and how many positions are worked on at a time."""

    inputs: InputObjective
    head: HeadObjective
    temperature: float = 1.0
    chunk: int = 256


def fused_loss(
    hidden: Float[Tensor, "positions d"],
    new_head: Float[Tensor, "new d"],
    new_bias: Float[Tensor, " new"] | None,
    head: Head,
    targets: Targets,
    objectives: Objectives,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """(input loss, head loss), each summed over positions and times its weight.

    The input loss has a gradient at `hidden` only, the head loss at `new_head` and `new_bias` only: they do not meet.
    """
    return _Fused.apply(hidden, new_head, new_bias, head, targets, objectives)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, new_head: Tensor, new_bias: Tensor | None, *fixed: Any) -> Any:
        work = _Work.begin(hidden, new_head, new_bias, *fixed)
        chunk = work.objectives.chunk
        for start in range(0, len(hidden), chunk):
            work.add(slice(start, min(len(hidden), start + chunk)))
        ctx.save_for_backward(work.hidden_gradient, work.head_gradient, work.bias_gradient)
        return work.totals[0], work.totals[1]

    @staticmethod
    def backward(ctx: Any, *scales: Tensor) -> Any:
        hidden, head, bias = ctx.saved_tensors
        input_scale, head_scale = scales
        bias = None if bias is None else bias * head_scale
        return hidden * input_scale.to(hidden.dtype), head * head_scale, bias, None, None, None


@dataclass(frozen=True, slots=True)
class _Work:
    """Both losses and their gradients, growing chunk by chunk."""

    hidden: Float[Tensor, "positions d"]
    new_head: Float[Tensor, "new d"]
    new_bias: Float[Tensor, " new"] | None
    head: Head
    targets: Targets
    objectives: Objectives
    totals: Float[Tensor, "2"]
    hidden_gradient: Float[Tensor, "positions d"]
    head_gradient: Float[Tensor, "new d"]
    bias_gradient: Float[Tensor, " new"] | None

    @classmethod
    def begin(cls, hidden: Tensor, new_head: Tensor, new_bias: Tensor | None, *fixed: Any) -> "_Work":
        return cls(
            hidden,
            new_head,
            new_bias,
            *fixed,
            totals=torch.zeros(2, device=hidden.device),
            hidden_gradient=torch.zeros_like(hidden),
            head_gradient=torch.zeros_like(new_head, dtype=torch.float32),
            bias_gradient=None if new_bias is None else torch.zeros_like(new_bias, dtype=torch.float32),
        )

    def add(self, where: slice) -> None:
        """Adds one chunk. The head comes first: the input objective may overwrite the student's logits."""
        states = self.hidden[where].to(self.head.weight.dtype)
        old = self.head.projection.logits(states, self.head.weight, self.head.bias)
        self._add_head(where, states, old)
        if self.targets.teacher is not None:
            self._add_inputs(where, old, self.targets.teacher[where])

    def _add_head(self, where: slice, states: Tensor, old: Tensor) -> None:
        weight, projection = self.targets.head_weight, self.head.projection
        new = projection.logits(states, self.new_head.to(states.dtype), self.new_bias)
        # The gradient through a soft cap needs the logits, which the objective may overwrite.
        kept = new if projection.cap is None else new.clone()
        loss, gradient = self.objectives.head(old, new, self.targets.ids[where])
        gradient = projection.raw_gradient(gradient, kept).mul_(weight)
        self.totals[1] += loss.sum() * weight
        self.head_gradient.addmm_(gradient.T, states.float())
        if self.bias_gradient is not None:
            self.bias_gradient.add_(gradient.sum(0))

    def _add_inputs(self, where: slice, student: Tensor, teacher_states: Tensor) -> None:
        weight, projection, table = self.targets.input_weight, self.head.projection, self.head.weight
        teacher = projection.logits(teacher_states, table, self.head.bias)
        kept = student if projection.cap is None else student.clone()
        loss, gradient = self.objectives.inputs(student, teacher, self.objectives.temperature)
        gradient = projection.raw_gradient(gradient, kept).mul_(weight)
        self.totals[0] += loss.sum() * weight
        self.hidden_gradient[where] = (gradient.to(table.dtype) @ table).to(self.hidden_gradient.dtype)
