"""Phase 1: the new rows alone. The frozen model, reading its own tokenization, teaches itself to read the new one."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam, Optimizer

from tokengraft.config import DistillConfig
from tokengraft.errors import CorpusError
from tokengraft.losses.fused import Head
from tokengraft.losses.mixture import HeadMixture, InputMixture
from tokengraft.model.load import context_length
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed, NewRows, frozen
from tokengraft.phases.anchors import anchors
from tokengraft.phases.generated import generated_windows
from tokengraft.phases.head import FitPlan, refit_head
from tokengraft.phases.objectives import Comparison, Scales
from tokengraft.phases.pieces import piece_tree, sample_windows
from tokengraft.training import processes
from tokengraft.training.batches import count_steps, like_lengths, mixed_batches
from tokengraft.training.loop import Journal, Outcome, Plan, Step, run_phase
from tokengraft.training.snippets import snippets
from tokengraft.training.windows import Window, collect_windows

GENERATED_LENGTH = 50
"""Base tokens of a text that the model writes itself, as in Token Distillation."""


class RowsPhase:
    """One step of the phase, and what it needs: the frozen model, the rows, their optimisers, the objectives."""

    def __init__(self, model: Any, extension: Any, settings: DistillConfig, sample: Sequence[Window] = ()) -> None:
        """`sample` is text on which the teacher's mean probabilities of pieces are taken, where an objective asks."""
        self.settings = settings
        self.rows = NewRows.read(model, extension.base_size, extension.size)
        self.composed = Composed(model, self.rows, extension.base_size)
        self.head = Head(self.composed.base_head, self.composed.base_bias, find_projection(model))
        heads = HeadMixture.of(settings.head_objective)
        tree = None
        if heads.soft_share:
            tree = piece_tree(self.composed, self.head, pieces_of(extension, sample), sample)
        first, main = (
            Comparison(self.composed, self.head, InputMixture.of(text), heads, settings, tree)
            for text in (settings.first_objective or settings.objective, settings.objective)
        )
        self.first, self.main = first, main
        self.switch = int(settings.first_share * settings.steps) if settings.first_objective else 0
        self.place = 0
        """Steps done: which objective is on."""

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
        """The closing fit of the head; None where there is none.

        That is where none is asked for, where the tables are tied, and where soft targets meet a capped head, whose
        loss is not linear in them.
        """
        chosen, share = self.settings, self.main.heads.soft_share
        if not chosen.refit_positions or self.rows.tied or (share and self.head.projection.cap is not None):
            return None
        return FitPlan(chosen.refit_positions, chosen.refit_iterations, chosen.refit_ridge, chosen.replay_share, share)

    def step(self, windows: Sequence[Window]) -> tuple[Tensor, Mapping[str, Tensor], int]:
        """(sum of all losses, each of them in nats or its own unit per position, base tokens read)."""
        comparison = self.first if self.place < self.switch else self.main
        taught = [window for window in windows if window.first_new < len(window.student)]
        plain = [window for window in windows if window.first_new == len(window.student)]
        scales = Scales.of(windows, self.composed.base_size, self.settings.position_decay)
        parts = [
            # Of several processes each reads its share of the groups; the scales are those of the whole step.
            *(part for group in processes.share(self._groups(taught)) for part in comparison.taught(group, scales)),
            *(comparison.plain(group, scales) for group in processes.share(self._groups(plain))),
        ] or [comparison.zeros()]
        inputs = torch.stack([part for part, _ in parts]).sum(0)
        head = torch.stack([part for _, part in parts]).sum()
        losses = {str(term): loss.detach() for term, loss in zip(comparison.inputs.terms, inputs, strict=True)}
        # An automatic weight divides by a loss: of windows without new tokens there is none.
        total = comparison.inputs.combine(inputs) if taught else inputs.sum()
        self.place += 1
        return total + head, {**losses, comparison.heads.label: head.detach()}, sum(len(w.teacher) for w in windows)

    def _groups(self, windows: Sequence[Window]) -> list[list[Window]]:
        return like_lengths(windows, self.settings.tokens_per_step)


def check_objectives(settings: DistillConfig) -> None:
    """Returns where there are objectives and an anchor of the names that the settings give.

    Raises:
        ConfigError: there is none of that name, or a sum is not well formed.
    """
    InputMixture.of(settings.objective)
    if settings.first_objective is not None:
        InputMixture.of(settings.first_objective, "distill.first_objective")
    HeadMixture.of(settings.head_objective)
    anchors.get(settings.anchor)


def pieces_of(extension: Any, windows: Sequence[Window]) -> list[tuple[int, ...]]:
    """Pieces of every new token: as the extension has them, or as the windows show them where only those are there."""
    tokens = getattr(extension, "new_tokens", None)
    if tokens is not None:
        return [tuple(token.pieces) for token in tokens]
    found: dict[int, tuple[int, ...]] = {}
    for window in windows:
        starts = np.concatenate([[0], window.ends[:-1] + 1])
        for place in np.flatnonzero(window.student >= extension.base_size):
            pieces = window.teacher[starts[place] : window.ends[place] + 1]
            found[int(window.student[place])] = tuple(pieces.tolist())
    # Where pieces are not known, only what they take in memory is asked for.
    return [found.get(number, (0, 0)) for number in range(extension.base_size, extension.size)]


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


def taught_windows(
    model: Any, extension: Any, windows: Sequence[Window], settings: DistillConfig, seed: int
) -> Sequence[Window]:
    """What the rows are taught on: the windows, stretches of them, or text that the model writes itself.

    Raises:
        CorpusError: no stretch has a new token in it.
    """
    if settings.generated:
        length = settings.snippet or GENERATED_LENGTH
        return generated_windows(model, extension, per_token=settings.generated, length=length, seed=seed)
    if settings.snippet is None:
        return windows
    found = snippets(
        windows, extension.decomposition, extension.base.prefix_ids(), settings.snippet, settings.snippets_per_token,
        extension.base_size,
    )  # fmt: skip
    if not found:
        raise CorpusError(
            found=f"{len(windows)} windows without a new token",
            expected="text in which new tokens occur",
            do="give other text, or leave distill.snippet out",
        )
    return found


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
    watch: Callable[[RowsPhase], None] | None = None,
    **changes: Any,
) -> Outcome:
    """What the phase did; the new rows of the grown and initialised `model` are trained in place.

    Input rows learn by the objective (KL at shared boundaries over the base vocabulary), head rows by cross-entropy
    over the extended one; nothing else moves. `replay` are windows of text outside the domain, for the head. `changes`
    are settings of `DistillConfig` by name. `stored` is the dtype that the model will be saved in: rows are rounded to
    it at the end, so that what is measured is what is saved. `watch` is called between the steps.

    Raises:
        ConfigError: there is no objective of that name.
        ModelError: the model's head cannot be reproduced, or a loss is not finite.
    """
    chosen = dataclasses.replace(settings or DistillConfig(), **changes)
    windows = taught_windows(model, extension, windows, chosen, seed)
    with frozen(model):
        phase = RowsPhase(model, extension, chosen, sample_windows(windows, replay, chosen.replay_share, seed))
        steps = count_steps(chosen, windows, replay, seed)
        what, every = "distil new rows", chosen.checkpoint_every
        plan = Plan(steps, chosen.warmup, chosen.decay, every, what, chosen.schedule, chosen.cycles)
        outcome = run_phase(
            phase.rows,
            phase.optimizers(),
            _batches(phase, windows, replay, seed),
            phase.step if watch is None else _watched(phase, watch),
            plan,
            journal or Journal(),
        )
        if phase.fit_plan is not None:
            outcome.fit = refit_head(phase.composed, phase.head, windows, replay, phase.fit_plan, seed, phase.main.tree)
        if stored is not None:
            phase.rows.round_to(stored)
        phase.rows.write(model, extension.base_size)
    return outcome


def _watched(phase: RowsPhase, watch: Callable[[RowsPhase], None]) -> Step:
    def step(windows: Sequence[Window]) -> tuple[Tensor, Mapping[str, Tensor], int]:
        if phase.place:
            watch(phase)  # the step before is done: its gradients were applied
        return phase.step(windows)

    return step


def _batches(
    phase: RowsPhase, windows: Sequence[Window], replay: Sequence[Window], seed: int
) -> Callable[[int], Iterator[list[Window]]]:
    def begin(step: int) -> Iterator[list[Window]]:
        phase.place = step
        return mixed_batches(windows, replay, phase.settings.tokens_per_step, phase.settings.replay_share, seed, step)

    return begin


def _absolute(table: Float[Tensor, "base d"]) -> float:
    del table
    return 1.0


def _entry_size(table: Float[Tensor, "base d"]) -> float:
    """Root mean square, without a float32 copy of the table."""
    return (torch.linalg.vector_norm(table, dtype=torch.float32) / table.numel() ** 0.5).item()
