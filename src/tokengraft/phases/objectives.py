"""What a batch of windows is worth to the rows: objectives of logits, of hidden states, and the head's."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.config import DistillConfig
from tokengraft.losses.fused import Head, Objectives, Targets, fitting_chunk, fused_loss
from tokengraft.losses.mixture import HeadMixture, InputMixture
from tokengraft.losses.soft_targets import PieceTree, SoftTargets, follow
from tokengraft.losses.top_teacher import TopTeacher
from tokengraft.model.layers import layer_number
from tokengraft.model.rows import Composed
from tokengraft.phases.anchors import anchors
from tokengraft.phases.passes import Depth, Passes, Read, Reader, Whole, before_in_teacher
from tokengraft.training.batches import PairedBatch, pair
from tokengraft.training.profile import part
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


Taken: TypeAlias = Callable[[Sequence[Window], Scales], list[Losses]]
"""Windows → their losses."""


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
    passes: Passes | None = None
    """How both tokenizations are read; None: each from the beginning."""
    layers: frozenset[int] = field(init=False)
    """Layers whose states are compared, counted from the embeddings."""
    last: int = field(init=False)
    """The number of what the head reads."""

    def __post_init__(self) -> None:
        model = self.composed.model
        object.__setattr__(self, "layers", frozenset(layer_number(model, layer) for layer in self.inputs.layers))
        object.__setattr__(self, "last", model.config.get_text_config().num_hidden_layers)

    @property
    def depth(self) -> Depth:
        """How far the passes have to go."""
        whole = bool(self.inputs.logits) or not self.heads.rests
        return Depth(self.layers, whole, self.inputs.logits_need_teacher or self.tree is not None)

    @property
    def reader(self) -> Reader:
        """What runs a pass for these objectives."""
        return Reader(self.composed, self.layers, self.last)

    @property
    def reading(self) -> Passes:
        """The way in which batches are read."""
        return self.passes or Whole(self.reader, self.depth)

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
        read = self.reading.read(truly, windows)
        with part("losses"):
            soft = {} if self.tree is None else self._soft(truly, windows, read.teacher[self.last])
            losses = [self._compared(anchored, read, scales, soft.get("compared"), self._weights(windows))]
            if not self.heads.rests and read.before is not None:
                # Before a row's first new token both passes are the same: the input rows have nothing to learn there.
                losses.append(self._alone(read.before, truly.before_targets, scales, soft.get("before")))
        return losses

    def plain(self, windows: Sequence[Window], scales: Scales) -> list[Losses]:
        """Losses of windows without new tokens: the head alone learns there, from one pass without a graph."""
        batch = pair(windows).to(self.composed.model.device)
        with torch.no_grad(), part("student"):
            hidden = self.composed.hidden(batch.student).flatten(0, 1)
        with part("losses"):
            soft = None if self.tree is None else self._soft(batch, windows, hidden)["before"]
            return [self._alone(hidden[batch.before], batch.before_targets, scales, soft)]

    def _compared(
        self, batch: PairedBatch, read: Read, scales: Scales, soft: SoftTargets | None, weights: Tensor | None
    ) -> Losses:
        of_logits, head = self.zeros()
        of_logits = of_logits[: len(self.inputs.logits)]
        if self.last in read.student:
            hidden = read.student[self.last]
            # Where no objective asks for its logits, the last state has no gradient: backward begins at the layer
            # compared.
            hidden = hidden if self.inputs.logits else hidden.detach()
            there = self._teacher_there(batch, read)
            if soft is not None and self.settings.anchor == "boundary" and isinstance(there, Tensor):
                soft = dataclasses.replace(soft, states=there)
            targets = Targets(there, batch.compared_targets, 1 / scales.compared, 1 / scales.predicted, weights, soft)
            of_logits, head = self._fused(hidden, targets, [function for _, function in self.inputs.logits])
        of_states = [self._state(term.layer, function, batch, read, scales, weights)
                     for term, function in self.inputs.states]  # fmt: skip
        return torch.cat([of_logits, torch.stack(of_states)]) if of_states else of_logits, head

    def _teacher_there(self, batch: PairedBatch, read: Read) -> Tensor | TopTeacher | None:
        if not self.inputs.logits_need_teacher:
            return None
        return read.teacher[self.last][batch.compared_teacher] if read.top is None else read.top

    def _state(
        self, layer: int | None, function: Any, batch: PairedBatch, read: Read, scales: Scales, weights: Tensor | None
    ) -> Tensor:
        number = layer_number(self.composed.model, -1 if layer is None else layer)
        loss = function(read.student[number], read.teacher[number][batch.compared_teacher])
        return (loss if weights is None else loss * weights).sum() / scales.compared

    def _alone(self, hidden: Tensor, ids: Tensor, scales: Scales, soft: SoftTargets | None) -> Losses:
        _, head = self._fused(hidden, Targets(None, ids, 0.0, 1 / scales.predicted, None, soft), [])
        return self.zeros()[0], head

    def _fused(self, hidden: Tensor, targets: Targets, inputs: Sequence[Any]) -> Losses:
        heads = None if self.heads.rests else self.heads
        new, chosen = self.inputs.logits_need_new, self.settings
        chunk = chosen.chunk or fitting_chunk(len(self.head.weight))
        objectives = Objectives(inputs, heads, chosen.temperature, chunk, new)
        return fused_loss(hidden, self.composed.rows.head, self.composed.rows.bias, self.head, targets, objectives)

    @torch.no_grad()
    def _soft(self, batch: PairedBatch, windows: Sequence[Window], teacher: Tensor) -> dict[str, SoftTargets]:
        """The teacher's probabilities of new tokens, at the compared positions and at those before."""
        assert self.tree is not None
        lengths = torch.tensor([len(window.teacher) for window in windows], device=batch.teacher.device)
        result = {}
        for name, places in {"compared": batch.compared_teacher, "before": before_in_teacher(batch)}.items():
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
