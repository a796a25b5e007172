"""All losses in one pass over the positions, a chunk at a time, with gradients formed in the forward.

The plain way keeps the logits of every position for the backward pass: at 4 096 positions and 128 000 tokens that is
2 GB for the student and as much for the teacher. Here a chunk's logits live while the chunk is worked on; what is kept
is the gradient at the hidden states and at the new head rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses import HeadChunk, HeadObjective, InputChunk, InputObjective
from tokengraft.losses.fused_head import Head
from tokengraft.losses.soft_targets import SoftTargets
from tokengraft.losses.top_teacher import TopTeacher

__all__ = ["Head", "Objectives", "Targets", "fitting_chunk", "fused_loss"]

CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Targets:
    """What each position is compared with.

    `teacher` None: there is nothing to compare with, or the input rows have nothing to learn here (before the first new
    token both passes are the same).
    """

    teacher: Float[Tensor, "positions d"] | TopTeacher | None
    ids: Int[Tensor, " positions"]
    input_weight: float
    head_weight: float
    weights: Float[Tensor, " positions"] | None = None
    """How much each position counts for the input rows; None: all alike."""
    soft: SoftTargets | None = None
    """The teacher's probabilities of new tokens; None where no objective of the head needs them."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """Those of the input rows, that of the head, the temperature of the first, and positions worked on at a time."""

    inputs: Sequence[InputObjective]
    head: HeadObjective | None
    """None: the head rests."""
    temperature: float = 1.0
    chunk: int = 256
    new: bool = True
    """Whether an objective of the input rows asks for the logits of the new tokens."""


def fitting_chunk(vocabulary: int) -> int:
    """Positions worked on at a time: an array of their logits takes about 16 MiB, so that some of them fit a cache.

    >>> [fitting_chunk(size) for size in (3_072, 32_000, 128_256)]
    [512, 131, 128]
    """
    return min(512, max(128, CHUNK_BYTES // (4 * vocabulary)))


def fused_loss(
    hidden: Float[Tensor, "positions d"],
    new_head: Float[Tensor, "new d"],
    new_bias: Float[Tensor, " new"] | None,
    head: Head,
    targets: Targets,
    objectives: Objectives,
) -> tuple[Float[Tensor, " inputs"], Float[Tensor, ""]]:
    """(loss of each input objective, head loss), summed over positions and times their weight.

    Input losses have a gradient at `hidden` only, the head loss at `new_head` and `new_bias` only: they do not meet.
    """
    return _Fused.apply(hidden, new_head, new_bias, head, targets, objectives)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, new_head: Tensor, new_bias: Tensor | None, *fixed: Any) -> Any:
        work = _Work.begin(hidden, new_head, new_bias, *fixed)
        chunk = work.objectives.chunk
        for start in range(0, len(hidden), chunk):
            work.add(slice(start, min(len(hidden), start + chunk)))
        for gradient in (work.head_gradient, work.bias_gradient):
            if gradient is not None:
                gradient.mul_(work.targets.head_weight)
        ctx.save_for_backward(*work.hidden_gradients, work.head_gradient, work.bias_gradient)
        ctx.shape, ctx.dtype = hidden.shape, hidden.dtype
        return work.input_totals, work.head_total[0]

    @staticmethod
    def backward(ctx: Any, *scales: Tensor) -> Any:
        *terms, head, bias = ctx.saved_tensors
        input_scales, head_scale = scales
        bias = None if bias is None else bias * head_scale
        hidden = torch.zeros(ctx.shape, dtype=ctx.dtype, device=head.device)
        for gradient, scale in zip(terms, input_scales, strict=True):
            hidden.add_(gradient * scale.to(gradient.dtype))
        return hidden, head * head_scale, bias, None, None, None


@dataclass(frozen=True, slots=True)
class _Work:
    """All losses and their gradients, growing chunk by chunk."""

    hidden: Float[Tensor, "positions d"]
    new_head: Float[Tensor, "new d"]
    new_bias: Float[Tensor, " new"] | None
    head: Head
    targets: Targets
    objectives: Objectives
    input_totals: Float[Tensor, " inputs"]
    head_total: Float[Tensor, "1"]
    hidden_gradients: Sequence[Float[Tensor, "positions d"]]
    head_gradient: Float[Tensor, "new d"]
    bias_gradient: Float[Tensor, " new"] | None

    @classmethod
    def begin(cls, hidden: Tensor, new_head: Tensor, new_bias: Tensor | None, *fixed: Any) -> "_Work":
        objectives: Objectives = fixed[2]
        return cls(
            hidden,
            new_head,
            new_bias,
            *fixed,
            input_totals=torch.zeros(len(objectives.inputs), device=hidden.device),
            head_total=torch.zeros(1, device=hidden.device),
            hidden_gradients=[torch.zeros_like(hidden) for _ in objectives.inputs],
            head_gradient=torch.zeros_like(new_head, dtype=torch.float32),
            bias_gradient=None if new_bias is None else torch.zeros_like(new_bias, dtype=torch.float32),
        )

    def add(self, where: slice) -> None:
        """Adds one chunk. The head comes first: the input objectives may overwrite the student's logits."""
        states = self.hidden[where].to(self.head.weight.dtype)
        old = self.head.projection.logits(states, self.head.weight, self.head.bias)
        learns = bool(self.objectives.inputs) and self.targets.input_weight > 0
        new = self._new(states, learns=learns)
        teacher = self._logits(self.targets.teacher, where)
        if self.objectives.head is not None:
            self._add_head(self.objectives.head, where, states, old, new.clone() if learns else new, teacher)
        if learns:
            self._add_inputs(where, old, new, teacher)

    def _new(self, states: Tensor, *, learns: bool) -> Tensor:
        """Logits of the new tokens; none where nobody asks for them."""
        if self.objectives.head is None and not (learns and self.objectives.new):
            return states.new_empty((len(states), 0), dtype=torch.float32)
        return self.head.projection.logits(states, self.new_head.to(states.dtype), self.new_bias)

    def _logits(self, states: Tensor | TopTeacher | None, where: slice) -> Tensor | TopTeacher | None:
        if states is None:
            return None
        if isinstance(states, TopTeacher):
            return states.at(where)
        return self.head.projection.logits(states[where], self.head.weight, self.head.bias)

    def _add_head(
        self, objective: HeadObjective, where: slice, states: Tensor, old: Tensor, new: Tensor,
        teacher: Tensor | TopTeacher | None,
    ) -> None:  # fmt: skip
        weight, projection, soft = self.targets.head_weight, self.head.projection, self.targets.soft
        # The gradient through a soft cap needs the logits, which the objective may overwrite.
        kept = new if projection.cap is None else new.clone()
        chunk = HeadChunk(old, new, self.targets.ids[where])
        if soft is not None:
            own = teacher if soft.states is self.targets.teacher else self._logits(soft.states, where)
            assert not isinstance(own, TopTeacher), "soft targets are made of states"
            chunk.soft, chunk.soft_old = soft.at(where, old if own is None else own, old)
        loss, gradient = objective(chunk)
        gradient = projection.raw_gradient(gradient, kept)
        self.head_total.add_(loss.sum() * weight)
        self.head_gradient.add_(_turned(gradient, states))
        if self.bias_gradient is not None:
            self.bias_gradient.add_(gradient.sum(0))

    def _add_inputs(self, where: slice, old: Tensor, new: Tensor, teacher: Tensor | TopTeacher | None) -> None:
        last = len(self.objectives.inputs) - 1
        for place, objective in enumerate(self.objectives.inputs):
            chunk = InputChunk(old, new, teacher, self.targets.ids[where], self.objectives.temperature)
            if place < last:
                chunk.old, chunk.new = old.clone(), new.clone()
                chunk.teacher = None if teacher is None else teacher.clone()
            self._add_input(where, place, objective, chunk)

    def _add_input(self, where: slice, place: int, objective: InputObjective, chunk: InputChunk) -> None:
        projection, table = self.head.projection, self.head.weight
        kept = (chunk.old, chunk.new) if projection.cap is None else (chunk.old.clone(), chunk.new.clone())
        loss, *gradients = objective(chunk)
        scale = torch.full_like(loss, self.targets.input_weight)
        if self.targets.weights is not None:
            scale = scale * self.targets.weights[where]
        self.input_totals[place] += (loss * scale).sum()
        for gradient, logits, rows in zip(gradients, kept, (table, self.new_head), strict=True):
            if gradient is not None:
                raw = projection.raw_gradient(gradient, logits)
                # Scaled behind the product: d numbers a position in place of V, and none too small for float16 before.
                turned = (raw.to(table.dtype) @ rows.to(table.dtype)) * scale[:, None]
                self.hidden_gradients[place][where] += turned.to(self.hidden.dtype)


def _turned(gradient: Float[Tensor, "positions new"], states: Float[Tensor, "positions d"]) -> Float[Tensor, "new d"]:
    """Gradient at the rows from that at their logits: operands as narrow as the table, float16 apart, which is too."""
    if states.dtype == torch.float16:
        states = states.float()
    return (gradient.T.to(states.dtype) @ states).float()
