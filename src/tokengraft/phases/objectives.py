"""What a batch of windows is worth to the rows: objectives of logits, of hidden states, and the head's."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.config import DistillConfig
from tokengraft.losses.fused import Head, Objectives, Targets, fused_loss
from tokengraft.losses.mixture import HeadMixture, InputMixture
from tokengraft.losses.soft_targets import PieceTree, SoftTargets, follow
from tokengraft.model.layers import layer_number, states_by_layer
from tokengraft.model.rows import Composed
from tokengraft.phases.anchors import anchors
from tokengraft.training.batches import PairedBatch, pair
from tokengraft.training.windows import Window

Losses = tuple[Float[Tensor, " terms"], Float[Tensor, ""]]
"""(loss of each objective of the input rows, loss of the head)."""


@dataclass(frozen=True, slots=True)
class Scales:
    """What the losses of a step are divided by: positions of each kind in all of its windows."""

    compared: float
    """Positions of the input objectives, each with its weight."""
    predicted: float
    """Positions that have a next token."""

    @classmethod
    def of(cls, windows: Sequence[Window], base_size: int, decay: float | None) -> "Scales":
        """Those of the windows of one step."""
        compared = sum(float(position_weights(window, base_size, decay).sum()) for window in windows)
        return cls(max(compared, 1e-9), max(1, sum(len(window.student) - 1 for window in windows)))


def position_weights(window: Window, base_size: int, decay: float | None) -> Float[np.ndarray, " positions"]:
    """How much each position from the first new token on counts for the input rows.

    1 without decay; else exp(−distance / decay), the distance in tokens from the last new token at or before it.
    """
    places = np.arange(window.first_new, len(window.student))
    if decay is None:
        return np.ones(len(places), np.float32)
    new = np.where(window.student[window.first_new :] >= base_size, places, -1)
    return np.exp(-(places - np.maximum.accumulate(new)) / decay).astype(np.float32)


@dataclass(frozen=True)
class Comparison:
    """The objectives of one stretch of a phase, and everything that they are taken with."""

    composed: Composed
    head: Head
    inputs: InputMixture
    heads: HeadMixture
    settings: DistillConfig
    tree: PieceTree | None
    """Pieces of the new tokens; None where no objective of the head asks for the teacher's probabilities."""

    def zeros(self) -> Losses:
        """The losses of no windows."""
        device = self.composed.model.device
        return torch.zeros(len(self.inputs.terms), device=device), torch.zeros((), device=device)

    def taught(self, windows: Sequence[Window], scales: Scales) -> list[Losses]:
        """Losses of windows with new tokens: at and behind each window's first new token, and before it."""
        truly = pair(windows).to(self.composed.model.device)
        anchored = truly
        if self.settings.anchor != "boundary":
            anchor = anchors.get(self.settings.anchor)
            moved = [dataclasses.replace(window, ends=anchor(window)) for window in windows]
            anchored = pair(moved).to(self.composed.model.device)
        student = self._states(truly.student)
        teacher = self._teacher(truly)
        final, soft = max(student), {}
        if self.tree is not None:
            soft = self._soft(truly, windows, teacher[final].flatten(0, 1))
        weights = self._weights(windows)
        return [
            self._compared(anchored, student, teacher, scales, soft.get("compared"), weights),
            # Before a row's first new token both passes are the same: there is nothing to teach the input rows.
            self._alone(
                student[final].detach().flatten(0, 1)[truly.before], truly.before_targets, scales, soft.get("before")
            ),
        ]

    def plain(self, windows: Sequence[Window], scales: Scales) -> Losses:
        """Losses of windows without new tokens: the head alone learns there, from one pass without a graph."""
        batch = pair(windows).to(self.composed.model.device)
        with torch.no_grad():
            hidden = self.composed.hidden(batch.student).flatten(0, 1)
        soft = None if self.tree is None else self._soft(batch, windows, hidden)["before"]
        return self._alone(hidden[batch.before], batch.before_targets, scales, soft)

    def _compared(
        self, batch: PairedBatch, student: dict[int, Tensor], teacher: dict[int, Tensor], scales: Scales,
        soft: SoftTargets | None, weights: Tensor | None,
    ) -> Losses:  # fmt: skip
        final = max(student)
        hidden = student[final].flatten(0, 1)[batch.compared]
        # Where no objective asks for its logits, the last state has no gradient: backward begins at the layer compared.
        hidden = hidden if self.inputs.logits else hidden.detach()
        there = None
        if self.inputs.logits_need_teacher:
            there = teacher[final].flatten(0, 1)[batch.compared_teacher]
            if soft is not None and self.settings.anchor == "boundary":
                soft = dataclasses.replace(soft, states=there)
        targets = Targets(there, batch.compared_targets, 1 / scales.compared, 1 / scales.predicted, weights, soft)
        of_logits, head = self._fused(hidden, targets, [function for _, function in self.inputs.logits])
        of_states = [self._state(term.layer, function, batch, student, teacher, scales, weights)
                     for term, function in self.inputs.states]  # fmt: skip
        return torch.cat([of_logits, torch.stack(of_states)]) if of_states else of_logits, head

    def _state(
        self, layer: int | None, function: Any, batch: PairedBatch, student: dict[int, Tensor],
        teacher: dict[int, Tensor], scales: Scales, weights: Tensor | None,
    ) -> Tensor:  # fmt: skip
        number = layer_number(self.composed.model, -1 if layer is None else layer)
        ours = student[number].flatten(0, 1)[batch.compared]
        loss = function(ours, teacher[number].flatten(0, 1)[batch.compared_teacher])
        return (loss if weights is None else loss * weights).sum() / scales.compared

    def _alone(self, hidden: Tensor, ids: Tensor, scales: Scales, soft: SoftTargets | None) -> Losses:
        _, head = self._fused(hidden, Targets(None, ids, 0.0, 1 / scales.predicted, None, soft), [])
        return self.zeros()[0], head

    def _fused(self, hidden: Tensor, targets: Targets, inputs: Sequence[Any]) -> Losses:
        objectives = Objectives(inputs, self.heads, self.settings.temperature, self.settings.chunk)
        return fused_loss(hidden, self.composed.rows.head, self.composed.rows.bias, self.head, targets, objectives)

    def _numbers(self) -> set[int]:
        return {layer_number(self.composed.model, layer) for layer in self.inputs.layers}

    def _states(self, ids: Tensor) -> dict[int, Tensor]:
        if self.inputs.states:
            return states_by_layer(self.composed.model, self.composed.embed(ids), self._numbers())
        return {1: self.composed.hidden(ids)}

    @torch.no_grad()
    def _teacher(self, batch: PairedBatch) -> dict[int, Tensor]:
        """The teacher's states, no further than somebody asks for; none where nobody does."""
        final = self.inputs.logits_need_teacher or self.tree is not None
        if self.inputs.states:
            embedded = self.composed.embed(batch.teacher)
            return states_by_layer(self.composed.model, embedded, self._numbers(), final=final)
        return {1: self.composed.hidden(batch.teacher)} if final else {}

    @torch.no_grad()
    def _soft(self, batch: PairedBatch, windows: Sequence[Window], teacher: Tensor) -> dict[str, SoftTargets]:
        """The teacher's probabilities of new tokens, at the compared positions and at those before."""
        assert self.tree is not None
        width, student_width = batch.teacher.shape[1], batch.student.shape[1]
        lengths = torch.tensor([len(window.teacher) for window in windows], device=batch.teacher.device)
        # Before the first new token a place has the same column in both.
        before = batch.before // student_width * width + batch.before % student_width
        result = {}
        for name, places in {"compared": batch.compared_teacher, "before": before}.items():
            followed = follow(self.tree, batch.teacher, lengths, places, teacher, self.head)
            states = teacher[places] if name == "compared" else None
            result[name] = SoftTargets(self.tree, states, followed.context, followed.token, followed.log_rest)
        return result

    def _weights(self, windows: Sequence[Window]) -> Tensor | None:
        decay = self.settings.position_decay
        if decay is None:
            return None
        parts = [position_weights(window, self.composed.base_size, decay) for window in windows]
        return torch.from_numpy(np.concatenate(parts)).to(self.composed.model.device)
