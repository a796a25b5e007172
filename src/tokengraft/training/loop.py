"""The one loop: steps with a schedule, a log, a progress bar and checkpoints."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from tokengraft.errors import ModelError
from tokengraft.progress import bar
from tokengraft.training.checkpoint import load_checkpoint, save_checkpoint
from tokengraft.training.schedule import rate_factor


@dataclass(frozen=True, slots=True)
class Journal:
    """Where a phase leaves its traces; without one, it leaves none."""

    checkpoint: Path | None = None
    log: Callable[..., None] | None = None
    rewind: Callable[[int], None] | None = None
    """Called with the step that a run goes on from, before the first new event."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Length and rhythm of a phase."""

    steps: int
    warmup: float = 0.05
    decay: float = 0.5
    checkpoint_every: int = 25
    what: str = "distil"


@dataclass(slots=True)
class Outcome:
    """What a phase did: its losses by step, positions seen and seconds spent in this process."""

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[dict[str, float]] = field(default_factory=list)
    fit: Any = None
    """What a closing fit brought, where the phase ends in one."""


Step = Callable[[Any], tuple[Tensor, Mapping[str, Tensor], int]]
"""A batch → (loss to differentiate, losses to report, base tokens read)."""


def run_phase(
    module: nn.Module, optimizers: Sequence[Optimizer], batches: Callable[[int], Iterator[Any]], step: Step, plan: Plan,
    journal: Journal,
) -> Outcome:  # fmt: skip
    """Trains `module` for `plan.steps` steps in all, those of earlier starts included.

    `batches` gives the batches from a step on. On a CPU the result does not depend on where earlier starts stopped.

    Raises:
        ModelError: a loss is not finite.
        RunFolderError: the checkpoint belongs to something else.
    """
    outcome = Outcome()
    begin = load_checkpoint(journal.checkpoint, module, optimizers) if journal.checkpoint else 0
    if journal.rewind:
        journal.rewind(begin)
    source = batches(begin)
    full_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    begun = time.monotonic()
    with bar(plan.steps, plan.what, "step", initial=begin) as progress:
        for index in range(begin, plan.steps):
            factor = rate_factor(index, plan.steps, plan.warmup, plan.decay)
            _set_rates(optimizers, full_rates, factor)
            started = time.monotonic()
            values, tokens = _one_step(step, next(source), optimizers, index)
            outcome.steps, outcome.tokens = index + 1, outcome.tokens + tokens
            outcome.losses.append(values)
            if journal.log:
                seconds = round(time.monotonic() - started, 4)
                journal.log("step", step=index + 1, **values, rate=round(factor, 6), tokens=tokens, seconds=seconds)
            if journal.checkpoint and _is_due(index + 1, plan):
                save_checkpoint(journal.checkpoint, module, optimizers, index + 1)
            progress.update()
            progress.set_postfix({name: f"{value:.4f}" for name, value in values.items()}, refresh=False)
    _set_rates(optimizers, full_rates, 1.0)
    outcome.seconds = time.monotonic() - begun
    return outcome


def _is_due(done: int, plan: Plan) -> bool:
    return done % plan.checkpoint_every == 0 or done == plan.steps


def _one_step(step: Step, batch: Any, optimizers: Sequence[Optimizer], index: int) -> tuple[dict[str, float], int]:
    loss, losses, tokens = step(batch)
    values = {name: float(value) for name, value in losses.items()}
    if not all(math.isfinite(value) for value in values.values()):
        raise ModelError(
            found=f"a loss that is not finite at step {index + 1}: {values}",
            expected="finite losses",
            do="lower the learning rates, or run the base model in float32 or bfloat16",
        )
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return values, tokens


def _set_rates(optimizers: Sequence[Optimizer], full: Sequence[Sequence[float]], factor: float) -> None:
    for optimizer, rates in zip(optimizers, full, strict=True):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
