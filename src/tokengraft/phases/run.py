"""A phase from its parts: each with its own optimiser, schedule and checkpoint, each beginning where the last ended."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch

from tokengraft.config_phases import PhaseConfig
from tokengraft.phases import phases
from tokengraft.phases.objective import Objective
from tokengraft.phases.task import Part, Task
from tokengraft.phases.trained import Trained
from tokengraft.training.batches import epoch_batches, mixed_batches
from tokengraft.training.loop import Journal, Outcome, Plan, run_phase
from tokengraft.training.windows import Window


def parts_of(task: Task) -> list[Part]:
    """The parts of the task's phase.

    Raises:
        ConfigError: there is no such phase, or a setting does not go with this model.
        ModelError: the model lacks what the phase trains.
    """
    return phases.get(task.settings.phase)(task)


def total_steps(settings: PhaseConfig, windows: Sequence[Window], replay: Sequence[Window], seed: int) -> int:
    """Optimiser steps of the phase; passes over the text, where they were asked for, are counted in batches."""
    if settings.epochs is None:
        return settings.steps
    own = settings.tokens_per_step - (int(settings.tokens_per_step * settings.replay_share) if replay else 0)
    return max(1, math.ceil(settings.epochs * len(epoch_batches(windows, own, seed, 0))))


def steps_of(parts: Sequence[Part], steps: int) -> list[int]:
    """Steps of each part; together `steps`, and at least one each.

    >>> steps_of([Part("a", 0.1, None), Part("b", 0.9, None)], 20)
    [2, 18]
    """
    edges, reached = [0], 0.0
    for part in parts:
        reached += part.share
        edges.append(max(edges[-1] + 1, round(steps * reached)))
    return [end - begin for begin, end in pairwise(edges)]


def run_task(task: Task, journal: Callable[[Part], Journal] | None = None) -> list[Outcome]:
    """What each part did; the model is trained in place.

    Raises:
        ConfigError: there is no such phase or schedule.
        ModelError: a loss or a weight is not finite.
    """
    parts = parts_of(task)
    steps = steps_of(parts, total_steps(task.settings, task.windows, task.replay, task.seed))
    return [
        run_part(task, part, count, journal(part) if journal else None)
        for part, count in zip(parts, steps, strict=True)
    ]


def run_part(task: Task, part: Part, steps: int, journal: Journal | None = None) -> Outcome:
    """What one part did in `steps` steps, those of earlier starts included."""
    settings, journal = task.settings, journal or Journal()
    with part.open() as trained:
        optimizer = trained.optimizer(settings)
        outcome = run_phase(
            trained, [optimizer], _batches(task), Objective(task, trained).step, _plan(task, part, steps),
            _settled(journal, trained),
        )  # fmt: skip
        outcome.memory = _held(trained, optimizer)
    outcome.merge_error = trained.merge_error
    return outcome


def round_weights(model: Any, dtype: torch.dtype) -> None:
    """Rounds every weight to what `dtype` can hold: what is measured is then what is stored."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype))


def _plan(task: Task, part: Part, steps: int) -> Plan:
    s = task.settings
    what = f"{s.label}: {part.name}" if part.name != s.label else s.label
    return Plan(
        steps, s.warmup, s.decay, s.checkpoint_every, what, s.schedule, s.cycles, s.clip, s.checkpoint_minutes, s.keep,
        s.evaluate_every, task.seed,
    )  # fmt: skip


def _batches(task: Task) -> Callable[[int], Iterator[list[Window]]]:
    s = task.settings
    return lambda step: mixed_batches(task.windows, task.replay, s.tokens_per_step, s.replay_share, task.seed, step)


def _settled(journal: Journal, trained: Trained) -> Journal:
    """Evaluation sees the model as it stands, in evaluation mode."""
    evaluate = journal.evaluate
    if evaluate is None:
        return journal

    def settled(step: int) -> Any:
        training = trained.model.training
        trained.push()
        trained.model.eval()
        try:
            return evaluate(step)
        finally:
            trained.model.train(training)

    return dataclasses.replace(journal, evaluate=settled)


def _held(trained: Trained, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    learned = sum(parameter.numel() * parameter.element_size() for parameter in trained.parameters())
    moments = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.ndim
    )
    return {"learned_bytes": learned, "gradient_bytes": learned, "moment_bytes": moments}
