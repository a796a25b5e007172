"""Phase 1: the new rows alone. The frozen model, reading its own tokenization, teaches itself to read the new one."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam, Optimizer

from tokengraft.config import DistillConfig
from tokengraft.losses import head_objectives, input_objectives
from tokengraft.losses.fused import Head, Objectives, Targets, fused_loss
from tokengraft.model.load import context_length
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed, NewRows, frozen
from tokengraft.phases.head import FitPlan, refit_head
from tokengraft.training.batches import like_lengths, mixed_batches, pair
from tokengraft.training.loop import Journal, Outcome, Plan, run_phase
from tokengraft.training.windows import Window, collect_windows


class RowsPhase:
    """One step of the phase, and what it needs: the frozen model, the rows, their optimisers."""

    def __init__(self, model: Any, extension: Any, settings: DistillConfig) -> None:
        self.settings = settings
        self.rows = NewRows.read(model, extension.base_size, extension.size)
        self.composed = Composed(model, self.rows, extension.base_size)
        self.head = Head(self.composed.base_head, self.composed.base_bias, find_projection(model))
        self.objectives = Objectives(
            input_objectives.get(settings.objective),
            head_objectives.get(settings.head_objective),
            settings.temperature,
            settings.chunk,
        )

    def optimizers(self) -> list[Optimizer]:
        """One for the input rows, one for the head rows; a single one where the tables are tied.

        Relative rates are shares of the root mean square entry of the old table, because Adam moves an entry by about
        its rate whatever the gradient: 3e-4 is much for a table with entries of 0.01 and little for one of 1.
        """
        tables = self.composed.tables
        groups: list[tuple[float, Tensor, list[Tensor]]] = [
            (self.settings.rate_inputs, tables.input_weight, [self.rows.inputs])
        ]
        if not self.rows.tied:
            head: list[Tensor] = [self.rows.head, *([] if self.rows.bias is None else [self.rows.bias])]
            groups.append((self.settings.rate_head, tables.head_weight, head))
        size = self.composed.base_size
        unit = _entry_size if self.settings.relative_rates else _absolute
        return [Adam(members, lr=rate * unit(table[:size])) for rate, table, members in groups]

    @property
    def fit_plan(self) -> FitPlan | None:
        """The closing fit of the head; None where there is none: none asked for, or tied tables."""
        chosen = self.settings
        if not chosen.refit_positions or self.rows.tied:
            return None
        return FitPlan(chosen.refit_positions, chosen.refit_iterations, chosen.refit_ridge, chosen.replay_share)

    def step(self, windows: Sequence[Window]) -> tuple[Tensor, Mapping[str, Tensor], int]:
        """(sum of both losses, each of them in nats per position, base tokens read)."""
        weight = 1 / max(1, sum(len(window.student) - 1 for window in windows))
        taught = [window for window in windows if window.first_new < len(window.student)]
        plain = [window for window in windows if window.first_new == len(window.student)]
        parts = [*self._taught(taught, weight), *self._plain(plain, weight)]
        kl = torch.stack([part for part, _ in parts]).sum()
        cross_entropy = torch.stack([part for _, part in parts]).sum()
        losses = {"kl": kl.detach(), "cross_entropy": cross_entropy.detach()}
        return kl + cross_entropy, losses, sum(len(window.teacher) for window in windows)

    def _taught(self, windows: Sequence[Window], weight: float) -> Iterator[tuple[Tensor, Tensor]]:
        """Both losses of windows with new tokens."""
        compared = sum(len(window.student) - window.first_new for window in windows)
        for group in like_lengths(windows, self.settings.tokens_per_step):
            batch = pair(group).to(self.composed.model.device)
            with torch.no_grad():
                teacher = self.composed.hidden(batch.teacher).flatten(0, 1)[batch.compared_teacher]
            student = self.composed.hidden(batch.student).flatten(0, 1)
            targets = Targets(teacher, batch.compared_targets, 1 / compared, weight)
            yield self._losses(student[batch.compared], targets)
            # Before a row's first new token both passes are the same: there is nothing to teach the input rows.
            yield self._losses(student[batch.before].detach(), Targets(None, batch.before_targets, 0.0, weight))

    def _plain(self, windows: Sequence[Window], weight: float) -> Iterator[tuple[Tensor, Tensor]]:
        """Losses of windows without new tokens: the head alone learns there, from one pass without a graph."""
        for group in like_lengths(windows, self.settings.tokens_per_step):
            batch = pair(group).to(self.composed.model.device)
            with torch.no_grad():
                hidden = self.composed.hidden(batch.student).flatten(0, 1)[batch.before]
            yield self._losses(hidden, Targets(None, batch.before_targets, 0.0, weight))

    def _losses(self, hidden: Float[Tensor, "positions d"], targets: Targets) -> tuple[Tensor, Tensor]:
        return fused_loss(hidden, self.rows.head, self.rows.bias, self.head, targets, self.objectives)


def window_length(model: Any, settings: DistillConfig) -> int:
    """Longest training window in base tokens."""
    return min(context_length(model), 1024 if settings.max_length is None else settings.max_length)


def training_windows(model: Any, extension: Any, texts: Iterable[str], settings: DistillConfig) -> list[Window]:
    """Windows of the texts, each begun as the tokenizer begins a text."""
    encoded = extension.encode(list(texts))
    return collect_windows(
        encoded,
        extension.decomposition,
        extension.base.prefix_ids(),
        window_length(model, settings),
        extension.base_size,
    )


def distill(
    model: Any,
    extension: Any,
    windows: Sequence[Window],
    replay: Sequence[Window] = (),
    *,
    settings: DistillConfig | None = None,
    seed: int = 0,
    journal: Journal | None = None,
    stored: torch.dtype | None = None,
    **changes: Any,
) -> Outcome:
    """What the phase did; the new rows of the grown and initialised `model` are trained in place.

    Input rows learn by the objective (KL at shared boundaries over the base vocabulary), head rows by cross-entropy
    over the extended one; nothing else moves. `replay` are windows of text outside the domain, for the head. `changes`
    are settings of `DistillConfig` by name. `stored` is the dtype that the model will be saved in: rows are rounded to
    it at the end, so that what is measured is what is saved.

    Raises:
        ConfigError: there is no objective of that name.
        ModelError: the model's head cannot be reproduced, or a loss is not finite.
    """
    chosen = dataclasses.replace(settings or DistillConfig(), **changes)
    with frozen(model):
        phase = RowsPhase(model, extension, chosen)
        plan = Plan(chosen.steps, chosen.warmup, chosen.decay, chosen.checkpoint_every, "distil new rows")
        outcome = run_phase(
            phase.rows,
            phase.optimizers(),
            _batches(windows, replay, chosen, seed),
            phase.step,
            plan,
            journal or Journal(),
        )
        if phase.fit_plan is not None:
            outcome.fit = refit_head(phase.composed, phase.head, windows, replay, phase.fit_plan, seed)
        if stored is not None:
            phase.rows.round_to(stored)
        phase.rows.write(model, extension.base_size)
    return outcome


def _batches(
    windows: Sequence[Window], replay: Sequence[Window], settings: DistillConfig, seed: int
) -> Callable[[int], Iterator[list[Window]]]:
    return lambda step: mixed_batches(windows, replay, settings.tokens_per_step, settings.replay_share, seed, step)


def _absolute(table: Float[Tensor, "base d"]) -> float:
    del table
    return 1.0


def _entry_size(table: Float[Tensor, "base d"]) -> float:
    """Root mean square, without a float32 copy of the table."""
    return (torch.linalg.vector_norm(table, dtype=torch.float32) / table.numel() ** 0.5).item()
