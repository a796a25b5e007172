"""The one loop: steps with a schedule, a log, a progress bar and checkpoints."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tokengraft.progress import bar
from tokengraft.training import processes
from tokengraft.training.checkpoint import load_checkpoint, save_checkpoint
from tokengraft.training.guards import refuse_zero_division, require_finite, require_finite_rows
from tokengraft.training.profile import part
from tokengraft.training.profile import step as measured_step
from tokengraft.training.schedules import Shape, schedules


@dataclass(frozen=True, slots=True)
class Journal:
    """Where a phase leaves its traces; without one, it leaves none."""

    checkpoint: Path | None = None
    log: Callable[..., None] | None = None
    rewind: Callable[[int], None] | None = None
    """Called with the step that a run goes on from, before the first new event."""
    evaluate: Callable[[int], Mapping[str, float]] | None = None
    """Figures after a step, for the log."""
    describe: Callable[[Any], str] | None = None
    """What a batch holds, for the message when its loss is not finite."""
    identity: str = ""
    """What the checkpoint belongs to: a model, a tokenizer and a phase. Another's is refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Length and rhythm of a phase."""

    steps: int
    warmup: float = 0.05
    decay: float = 0.5
    checkpoint_every: int = 25
    what: str = "distil"
    schedule: str = "trapezoid"
    cycles: tuple[float, ...] = (1.0,)
    clip: float | None = None
    """Largest norm of the gradient of all parameters together."""
    checkpoint_minutes: float | None = None
    keep: int = 1
    evaluate_every: int = 0
    seed: int | None = None
    """Seed of what is drawn inside the steps (dropout), with the step's number; None: nothing is."""

    def rate(self, step: int) -> float:
        """Share of the full learning rate at a step."""
        return schedules.get(self.schedule)(step, self.steps, Shape(self.warmup, self.decay, self.cycles))


@dataclass(slots=True)
class Outcome:
    """What a phase did: its losses by step, positions seen and seconds spent in this process."""

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[dict[str, float]] = field(default_factory=list)
    fit: Any = None
    """What a closing fit brought, where the phase ends in one."""
    fit_seconds: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)
    """Bytes that were held for training: weights, gradients and moments of what was trained."""
    merge_error: float | None = None
    """Largest change of a logit by folding an adapter in, against the largest logit; None: nothing was folded in."""


Step = Callable[[Any], tuple[Tensor | None, Mapping[str, Tensor], int]]
"""A batch → (loss to differentiate, losses to report, base tokens read); None: its gradients are formed already."""


def run_phase(
    module: nn.Module, optimizers: Sequence[Optimizer], batches: Callable[[int], Iterator[Any]], step: Step, plan: Plan,
    journal: Journal,
) -> Outcome:  # fmt: skip
    """Trains `module` for `plan.steps` steps in all, those of earlier starts included.

    `batches` gives the batches from a step on. On a CPU the result does not depend on where earlier starts stopped.

    Raises:
        ModelError: a loss, a gradient or a row is not finite, or the parameters' dtype does not go with an optimiser.
        RunFolderError: the checkpoint belongs to something else.
    """
    for optimizer in optimizers:
        refuse_zero_division(optimizer)
    with _undisturbed():
        return _Run(module, optimizers, step, plan, journal).go(batches)


@dataclass
class _Run:
    module: nn.Module
    optimizers: Sequence[Optimizer]
    step: Step
    plan: Plan
    journal: Journal
    saved_at: float = field(default_factory=time.monotonic)

    def go(self, batches: Callable[[int], Iterator[Any]]) -> Outcome:
        plan, journal, outcome = self.plan, self.journal, Outcome()
        begin = 0
        if journal.checkpoint:
            begin = load_checkpoint(journal.checkpoint, self.module, self.optimizers, journal.identity)
        if journal.rewind:
            journal.rewind(begin)
        source = batches(begin)
        full_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        begun = time.monotonic()
        with bar(plan.steps, plan.what, "step", initial=begin) as progress:
            for index in range(begin, plan.steps):
                factor = plan.rate(index)
                _set_rates(self.optimizers, full_rates, factor)
                started = time.monotonic()
                values, tokens = self._one_step(next(source), index)
                outcome.steps, outcome.tokens = index + 1, outcome.tokens + tokens
                outcome.losses.append(values)
                self._note(index + 1, values, factor, tokens, time.monotonic() - started)
                progress.update()
                progress.set_postfix({name: f"{value:.4f}" for name, value in values.items()}, refresh=False)
        _set_rates(self.optimizers, full_rates, 1.0)
        outcome.seconds = time.monotonic() - begun
        return outcome

    def _one_step(self, batch: Any, index: int) -> tuple[dict[str, float], int]:
        with measured_step():
            return self._measured(batch, index)

    def _measured(self, batch: Any, index: int) -> tuple[dict[str, float], int]:
        _seed_step(self.plan.seed, index)
        loss, losses, tokens = self.step(batch)
        # Formed gradients are dropped by whoever catches the error: the step is not taken.
        values = processes.sum_values(losses)
        where = f"step {index + 1}{self._batch_in_words(batch)}"
        require_finite(values, where)
        if loss is not None and loss.requires_grad:  # a process may have had no share of the step
            with part("backward"):
                loss.backward()
        parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        processes.sum_gradients(parameters)
        if self.plan.clip is not None:
            # A gradient that is not finite has a norm that is not: every parameter would be spoiled at once.
            norm = nn.utils.clip_grad_norm_(parameters, self.plan.clip)
            require_finite({"norm of the gradient": float(norm)}, where)
        with part("optimiser"):
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        require_finite_rows(self.module, where)
        return values, tokens

    def _batch_in_words(self, batch: Any) -> str:
        return f", batch {self.journal.describe(batch)}" if self.journal.describe else ""

    def _note(self, done: int, values: Mapping[str, float], factor: float, tokens: int, seconds: float) -> None:
        plan, journal = self.plan, self.journal
        if journal.log:
            rounded = {"rate": round(factor, 6), "tokens": tokens, "seconds": round(seconds, 4)}
            journal.log("step", step=done, **values, **rounded)
        if journal.evaluate and plan.evaluate_every and done % plan.evaluate_every == 0:
            with _undisturbed():
                figures = journal.evaluate(done)
            if journal.log:
                journal.log("evaluation", step=done, **figures)
        if journal.checkpoint and self._is_due(done):
            save_checkpoint(
                journal.checkpoint, self.module, self.optimizers, done, identity=journal.identity, keep=plan.keep
            )
            self.saved_at = time.monotonic()

    def _is_due(self, done: int) -> bool:
        plan = self.plan
        late = plan.checkpoint_minutes is not None and time.monotonic() - self.saved_at >= 60 * plan.checkpoint_minutes
        return late or done % plan.checkpoint_every == 0 or done == plan.steps


def _undisturbed() -> AbstractContextManager[Any]:
    """What is drawn inside does not move the generators outside."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()) if torch.cuda.is_available() else [])


def _seed_step(seed: int | None, index: int) -> None:
    """Sets the generators to a state that depends on seed, step and process alone, wherever the run began."""
    if seed is not None:
        torch.manual_seed(int(np.random.SeedSequence([seed, index, processes.rank()]).generate_state(1)[0]))


def _set_rates(optimizers: Sequence[Optimizer], full: Sequence[Sequence[float]], factor: float) -> None:
    for optimizer, rates in zip(optimizers, full, strict=True):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
