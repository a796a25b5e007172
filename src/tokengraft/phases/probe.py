"""`auto`: a few dozen steps of distillation from each candidate tell which start is the best."""

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from tokengraft.config import DistillConfig, InitConfig
from tokengraft.errors import CorpusError
from tokengraft.init import initialise
from tokengraft.model.rows import NewRows, frozen
from tokengraft.phases.rows import RowsPhase, distill
from tokengraft.training.windows import Window

JUDGES = 10
"""One window in so many judges the candidates and is not learned from."""

MOST_JUDGES = 200
"""Windows that judge, at most."""

FIXED = InitConfig()
"""The other table's method while one is tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a candidate came to, in nats a position on windows that were not learned from."""

    method: str
    kl: float
    cross_entropy: float


def probe_methods(
    model: Any, extension: Any, windows: Sequence[Window], replay: Sequence[Window], table: str, *,
    settings: InitConfig, distillation: DistillConfig, seed: int,
) -> str:  # fmt: skip
    """The candidate with the least cross-entropy after the trial; a table of all is printed to standard error.

    The rows of `model` are afterwards what they were.

    Raises:
        CorpusError: there are too few windows to keep some for judging.
    """
    judges = [window for window in windows[::JUDGES] if window.first_new < len(window.student)][:MOST_JUDGES]
    learned = [window for place, window in enumerate(windows) if place % JUDGES]
    if not judges or not learned:
        raise CorpusError(
            found=f"{len(windows)} windows of training text",
            expected="enough for a trial, some of them with new tokens",
            do="give more text, or name a method in place of auto",
        )
    before = NewRows.read(model, extension.base_size, extension.size)
    trials = []
    for method in settings.candidates:
        names = {"inputs": FIXED.inputs, "head": FIXED.head, table: method}
        initialise(
            model, extension, inputs=names["inputs"], head=names["head"], calibrate=settings.calibrate, seed=seed
        )
        with torch.enable_grad():
            distill(model, extension, learned, replay, settings=distillation, seed=seed)
        trials.append(_judge(model, extension, judges, method, distillation))
    before.write(model, extension.base_size)
    best = min(trials, key=lambda trial: trial.cross_entropy)
    _show(trials, best, table, distillation.steps)
    return best.method


@torch.no_grad()
def _judge(model: Any, extension: Any, judges: Sequence[Window], method: str, settings: DistillConfig) -> Trial:
    with frozen(model):
        phase = RowsPhase(model, extension, dataclasses.replace(settings, objective="kl", head_objective="ce"))
        _, losses, _ = phase.step(judges)
    return Trial(method, float(losses["kl"]), float(losses["cross_entropy"]))


def _show(trials: Sequence[Trial], best: Trial, table: str, steps: int) -> None:
    lines = [f"init.{table} = auto: {steps} steps from each candidate", f"{'method':<28}{'KL':>9}{'cross-entropy':>16}"]
    for trial in sorted(trials, key=lambda trial: trial.cross_entropy):
        mark = "  ← taken" if trial is best else ""
        lines.append(f"{trial.method:<28}{trial.kl:>9.4f}{trial.cross_entropy:>16.4f}{mark}")
    tqdm.write("\n".join(lines), file=sys.stderr)
