"""A phase from its parts: each with its own optimiser, schedule and checkpoint, each beginning where the last ended."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch

from tokengraft.phases import phases
from tokengraft.phases.objective import Objective
from tokengraft.phases.sharded import block_bytes, sharded
from tokengraft.phases.task import Part, Task
from tokengraft.phases.trained import Trained
from tokengraft.training.batches import count_steps, mixed_batches
from tokengraft.training.loop import Journal, Outcome, Plan, run_phase
from tokengraft.training.windows import Window


def parts_of(task: Task) -> list[Part]:
    """The parts of the task's phase.

    Raises:
        ConfigError: there is no such phase, or a setting does not go with this model.
        ModelError: the model lacks what the phase trains.
    """
    return phases.get(task.settings.phase)(task)


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
    steps = steps_of(parts, count_steps(task.settings, task.windows, task.replay, task.seed))
    return [
        run_part(task, part, count, journal(part) if journal else None)
        for part, count in zip(parts, steps, strict=True)
    ]


def run_part(task: Task, part: Part, steps: int, journal: Journal | None = None) -> Outcome:
    """What one part did in `steps` steps, those of earlier starts included."""
    settings, journal = task.settings, journal or Journal()
    with part.open() as trained, sharded(task.model, wanted=settings.shard):
        optimizer = trained.optimizer(settings)
        objective = Objective(task, trained)
        outcome = run_phase(
            trained, [optimizer], _batches(task), objective.step, _plan(task, part, steps), _judging(journal, objective)
        )
        outcome.memory = _held(task, trained, optimizer)
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


def _judging(journal: Journal, objective: Objective) -> Journal:
    """The same, with bits per byte on the task's held-out text as what is looked at in between."""
    if not objective.task.heldout:
        return journal
    return dataclasses.replace(journal, evaluate=lambda _: objective.bits_per_byte())


def _held(task: Task, trained: Trained, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    learned = sum(parameter.numel() * parameter.element_size() for parameter in trained.parameters())
    moments = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.ndim
    )
    held = {"learned_bytes": learned, "gradient_bytes": learned, "moment_bytes": moments}
    return {**held, "block_bytes": block_bytes(task.model)} if task.settings.shard else held
