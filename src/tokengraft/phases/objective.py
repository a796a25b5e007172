"""Cross-entropy on text, with a share of KL to the base at shared boundaries: one step of every later phase.

Once old rows may move, a new token takes mass from all of them. Compared with the base it is therefore counted as its
first piece: that is what the base predicts wherever the new token would follow.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tokengraft.model.tables import find_tables
from tokengraft.phases.sharded import even_passes
from tokengraft.phases.task import Task
from tokengraft.phases.trained import Trained
from tokengraft.training import processes
from tokengraft.training.batches import like_lengths
from tokengraft.training.windows import Window

ON_SAME_TEXT = "nats_per_base_token"


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Windows padded on the right. Positions are flat, into rows × width."""

    student: Int[Tensor, "rows width"]
    places: Int[Tensor, " targets"]
    """Positions whose next id is learned."""
    targets: Int[Tensor, " targets"]
    teacher: Int[Tensor, "rows teacher_width"]
    compared: Int[Tensor, " compared"]
    """Every student position, and the teacher position that ends at the same byte."""
    compared_teacher: Int[Tensor, " compared"]


def learned_flags(window: Window) -> np.ndarray:
    """Which ids of a window are learned as next ids."""
    flags = np.ones(len(window.student), dtype=bool) if window.learned is None else window.learned.copy()
    flags[0] = False
    return flags


def text_batch(windows: Sequence[Window], device: torch.device) -> TextBatch:
    """A batch of windows."""
    student, teacher = _padded([w.student for w in windows]), _padded([w.teacher for w in windows])
    learned = np.zeros_like(student, dtype=bool)
    for row, window in enumerate(windows):
        learned[row, : len(window.student)] = learned_flags(window)
    [targets] = np.nonzero(learned.ravel())
    rows = [(row, len(window.student)) for row, window in enumerate(windows)]
    compared = np.concatenate([row * student.shape[1] + np.arange(size) for row, size in rows])
    ends = np.concatenate([row * teacher.shape[1] + window.ends for row, window in enumerate(windows)])
    # The position before an id is the one that predicts it; no row begins with a target.
    arrays = (student, targets - 1, student.ravel()[targets], teacher, compared, ends)
    return TextBatch(*(torch.from_numpy(array).to(device) for array in arrays))


class Objective:
    """One step: gradients of its share of a batch, formed pass by pass: one pass' activations exist at a time."""

    def __init__(self, task: Task, trained: Trained) -> None:
        self.task, self.trained, self.settings = task, trained, task.settings
        self.device = task.model.device
        self.first_pieces = torch.tensor(task.first_pieces, device=self.device)

    def step(self, windows: Sequence[Window]) -> tuple[None, Mapping[str, Tensor], int]:
        """(None: gradients are formed; losses in nats per position; base tokens read).

        `nats_per_base_token` is the cross-entropy over as many tokens as the base makes of the text that is learned:
        the one loss that means the same to two tokenizers.

        A step's windows are split by length into passes of at most tokens_per_step / accumulation tokens; of several
        processes each takes its share of the passes. Every position has one weight, wherever it is worked on.
        """
        self.trained.push()
        targets = max(1, sum(int(learned_flags(window).sum()) for window in windows))
        base_targets = max(1, sum(int(learned_flags(window.in_base()).sum()) for window in windows))
        compared = max(1, sum(len(window.student) for window in windows))
        totals = {name: torch.zeros((), device=self.device) for name in ("cross_entropy", ON_SAME_TEXT)}
        if self.settings.kl_share:
            totals["kl"] = torch.zeros((), device=self.device)
        passes = like_lengths(windows, max(1, self.settings.tokens_per_step // self.settings.accumulation))
        mine = processes.share(passes)
        for group in mine:
            for name, value in self._one_pass(group, 1 / targets, 1 / compared).items():
                totals[name] += value
        if self.settings.shard:
            for _ in range(even_passes(len(mine), len(passes))):
                self._one_pass(passes[0], 0.0, 0.0)
        totals[ON_SAME_TEXT] = totals["cross_entropy"] * (targets / base_targets)
        return None, totals, sum(len(window.teacher) for window in windows)

    @torch.no_grad()
    def bits_per_byte(self) -> dict[str, float]:
        """Bits per byte of each kind of held-out text, by the weights as they stand, nothing dropped out."""
        model, figures = self.trained.model, {}
        training = model.training
        self.trained.push()
        model.eval()
        for kind, heldout in self.task.heldout.items():
            nats = 0.0
            for group in like_lengths(heldout.windows, self.settings.tokens_per_step):
                batch = text_batch(group, self.device)
                hidden = self.trained.hidden(batch.student).flatten(0, 1)
                nats += self._cross_entropy(hidden[batch.places], batch.targets).item()
            figures[f"{kind}_bits_per_byte"] = nats / math.log(2) / max(1, heldout.bytes)
        model.train(training)
        return figures

    def _one_pass(self, windows: Sequence[Window], weight: float, kl_weight: float) -> dict[str, Tensor]:
        batch, share = text_batch(windows, self.device), self.settings.kl_share
        with self._precision():
            hidden = self.trained.hidden(batch.student).flatten(0, 1)
            losses = {"cross_entropy": self._cross_entropy(hidden[batch.places], batch.targets) * weight}
            total = losses["cross_entropy"] * (1 - share)
            if share:
                losses["kl"] = self._kl(hidden[batch.compared], self._teacher_states(batch)) * kl_weight
                total = total + losses["kl"] * share
        if total.requires_grad:
            total.backward()
        self.trained.pull()
        return {name: value.detach() for name, value in losses.items()}

    def _precision(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "model":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _cross_entropy(self, states: Float[Tensor, "targets d"], targets: Int[Tensor, " targets"]) -> Float[Tensor, ""]:
        """Summed over positions; a chunk's logits are made anew in the backward pass."""

        def loss(part: Tensor, ids: Tensor) -> Tensor:
            return F.cross_entropy(self.trained.logits(part), ids, reduction="sum")

        return self._in_chunks(loss, states, targets)

    def _kl(self, states: Float[Tensor, "compared d"], teacher: Float[Tensor, "compared d"]) -> Float[Tensor, ""]:
        """KL(base ‖ model) over the base vocabulary, new tokens counted as their first pieces; summed."""

        def loss(part: Tensor, base: Tensor) -> Tensor:
            model = self.trained.logits(part).log_softmax(1)
            target = self._teacher_logits(base).log_softmax(1)
            return F.kl_div(self._folded(model), target, reduction="sum", log_target=True)

        return self._in_chunks(loss, states, teacher)

    def _folded(self, log_p: Float[Tensor, "positions size"]) -> Float[Tensor, "positions base"]:
        if not len(self.first_pieces):
            return log_p
        old, new = log_p.split([self.task.base_size, log_p.shape[1] - self.task.base_size], dim=1)
        return torch.log(old.exp().index_add(1, self.first_pieces, new.exp()).clamp_min(1e-30))

    def _in_chunks(self, loss: Any, states: Tensor, others: Tensor) -> Tensor:
        total = torch.zeros((), device=self.device)
        size = self.settings.chunk
        for start in range(0, len(states), size):
            where = slice(start, start + size)
            total = total + checkpoint(loss, states[where], others[where], use_reentrant=False)
        return total

    @torch.no_grad()
    def _teacher_states(self, batch: TextBatch) -> Float[Tensor, "compared d"]:
        hidden = self.task.teacher.base_model(input_ids=batch.teacher, use_cache=False).last_hidden_state
        return hidden.flatten(0, 1)[batch.compared_teacher]

    @torch.no_grad()
    def _teacher_logits(self, states: Float[Tensor, "positions d"]) -> Float[Tensor, "positions base"]:
        tables, size = find_tables(self.task.teacher), self.task.base_size
        bias = None if tables.head_bias is None else tables.head_bias[:size]
        return self.task.projection.logits(states, tables.head_weight[:size], bias)


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table
