"""Phase 1: the new rows alone. The frozen model, reading its own tokenization, teaches itself to read the new one."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tokengraft.config import DistillConfig
from tokengraft.model.checkpointing import checkpointed
from tokengraft.model.rows import frozen
from tokengraft.model.shared_prefix import sharing
from tokengraft.phases.engine import teacher_cache
from tokengraft.phases.head import refit_head
from tokengraft.phases.pieces import sample_windows
from tokengraft.phases.row_step import RowsPhase
from tokengraft.phases.sharded import sharded
from tokengraft.phases.texts import training_text
from tokengraft.training.batches import count_steps, mixed_batches, own_tokens
from tokengraft.training.loop import Journal, Outcome, Plan, Step, run_phase
from tokengraft.training.windows import Window

__all__ = ["RowsPhase", "distill", "ready"]


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

    Input rows learn by the objective (above all the base's own predictions and states at shared boundaries), head rows
    by cross-entropy over the extended vocabulary; nothing else moves. `replay` are windows of text outside the domain,
    for the head. `changes` are settings of `DistillConfig` by name. `stored` is the dtype that the model will be saved
    in: rows are rounded to it at the end, so that what is measured is what is saved. `watch` is called between the
    steps.

    Raises:
        ConfigError: there is no objective of that name.
        ModelError: the model's head cannot be reproduced, or a loss is not finite.
    """
    chosen = dataclasses.replace(settings or DistillConfig(), **changes)
    journal = journal or Journal()
    taught, others, chosen = training_text(model, extension, windows, replay, chosen, seed)
    with frozen(model):
        sample = sample_windows(windows, replay, chosen.replay_share, seed)
        phase = RowsPhase(model, extension, chosen, sample)
        outcome = _train(phase, taught, others, seed, journal, watch)
        if phase.fit_plan is not None:
            # On text as it is: around new tokens they are four times as frequent as they are anywhere.
            begun = time.monotonic()
            outcome.fit = refit_head(phase.composed, phase.head, windows, replay, phase.fit_plan, seed, phase.tree)
            outcome.fit_seconds = time.monotonic() - begun
        if stored is not None:
            phase.rows.round_to(stored)
        phase.rows.write(model, extension.base_size)
    return outcome


def _train(
    phase: RowsPhase, windows: Sequence[Window], others: Sequence[Window], seed: int, journal: Journal,
    watch: Callable[[RowsPhase], None] | None,
) -> Outcome:  # fmt: skip
    """The steps, in the way that costs least for this model and these windows."""
    chosen = phase.settings
    steps = count_steps(chosen, windows, others, seed)
    plan = Plan(steps, chosen.warmup, chosen.decay, chosen.checkpoint_every, "distil new rows", chosen.schedule,
                chosen.cycles)  # fmt: skip
    with ready(phase, windows, others, steps, None if journal.checkpoint is None else journal.checkpoint.parent):
        return run_phase(
            phase.rows,
            phase.optimizers(),
            _batches(phase, windows, others, seed),
            phase.form if watch is None else _watched(phase, watch),
            plan,
            journal,
        )


@contextmanager
def ready(
    phase: RowsPhase, windows: Sequence[Window], others: Sequence[Window], steps: int, place: Path | None = None
) -> Iterator[None]:
    """In the block the phase's steps run in the way that costs least for this model, these windows and settings.

    Raises:
        ConfigError: a window does not fit the memory that the settings allow.
    """
    chosen, model = phase.settings, phase.composed.model
    longest = max(len(window.teacher) for window in [*windows, *others])
    with (
        sharing(model),
        teacher_cache(phase.main, windows, steps, place, own_tokens(chosen, others)) as cache,
        sharded(model, wanted=chosen.shard),
        checkpointed(model, wanted=chosen.gradient_checkpointing),
    ):
        phase.lasts(steps)
        phase.prepare(longest, cache)
        yield


def _watched(phase: RowsPhase, watch: Callable[[RowsPhase], None]) -> Step:
    def step(windows: Sequence[Window]) -> tuple[Tensor | None, Mapping[str, Tensor], int]:
        if phase.place:
            watch(phase)  # the step before is done: its gradients were applied
        return phase.form(windows)

    return step


def _batches(
    phase: RowsPhase, windows: Sequence[Window], replay: Sequence[Window], seed: int
) -> Callable[[int], Iterator[list[Window]]]:
    def begin(step: int) -> Iterator[list[Window]]:
        phase.place = step
        return mixed_batches(windows, replay, phase.settings.tokens_per_step, phase.settings.replay_share, seed, step)

    return begin
