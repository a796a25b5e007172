"""Peak memory of the distillation engine beside that of the plain way: same model, same batch, a fresh process each.

The engine's figure is that of the whole phase: two steps, then the closing fit of the head with as many positions as
the run gives it. Their values do not change what memory they take, so the fit reads the one batch and repeats its
positions up to that number instead of reading all of the text again.
"""

import copy
import dataclasses
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tokengraft.config import DistillConfig
from tokengraft.evaluation.memory import PeakMemory, peak_memory
from tokengraft.evaluation.plain import plain_optimizer, plain_step
from tokengraft.model import grow, load_model
from tokengraft.model.rows import frozen
from tokengraft.phases.head import JUDGES, HeadFit
from tokengraft.phases.positions import read_positions
from tokengraft.phases.rows import RowsPhase, ready
from tokengraft.progress import bar
from tokengraft.training.batches import pair
from tokengraft.training.windows import Window

STEPS = 2
"""The second step has the optimisers' moments in memory from its beginning."""

ITERATIONS = 2
"""Of the fit: a further one holds two more changes of the rows, up to ten pairs; all else is there from the first."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model and a batch. Values of rows do not change what memory they take, so new rows are left at zero."""

    model: str
    device: str
    dtype: str
    trust_remote_code: bool
    base_size: int
    size: int
    windows: Sequence[Window]
    settings: DistillConfig


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Peak bytes of both ways, on the host or, where the model is there, on the accelerator."""

    engine: PeakMemory
    plain: PeakMemory
    how: str

    def to_dict(self) -> dict[str, Any]:
        """As `metrics.json` holds it: whole processes, and what they held before the first step."""
        return {
            "engine_bytes": self.engine.peak,
            "plain_bytes": self.plain.peak,
            "baseline_bytes": self.engine.baseline,
            "how": self.how,
        }


def compare_memory(case: Case) -> StepMemory:
    """Peak memory of two steps on one batch, by the engine and by the plain way.

    Raises:
        DeviceError: one of them did not come to its end, or this system tells no peak memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(_plain_values(case)), encoding="utf-8")
        arguments, place = {"path": str(path)}, case.device
        engine = peak_memory(f"{__name__}:prepare_engine", arguments, device=place)
        plain = peak_memory(f"{__name__}:prepare_plain", arguments, device=place)
    tokens = sum(len(window.teacher) for window in case.windows)
    kind = "resident memory of a fresh process" if place == "cpu" else f"memory allocated on {place} by a fresh process"
    batch = f"one batch of {len(case.windows)} windows and {tokens} base tokens, {case.dtype}"
    positions = case.settings.refit_positions
    fit = f"; the engine also fits an untied head on {positions} positions at the end" if positions else ""
    how = f"{kind}, {STEPS} steps on {batch}{fit}"
    return StepMemory(engine, plain, how)


def prepare_engine(path: str) -> Callable[[], None]:
    """The engine's steps on the case in a file."""
    case = _read(path)
    model = load_case(case)
    phase = RowsPhase(model, case, case.settings, case.windows)
    optimizers = phase.optimizers()

    def work() -> None:
        with frozen(model), ready(phase, case.windows, (), STEPS):
            for _ in range(STEPS):
                phase.form(case.windows)
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
        _rehearse_fit(phase, case.windows)

    return work


def prepare_plain(path: str) -> Callable[[], None]:
    """The same steps the plain way."""
    case = _read(path)
    model = load_case(case)
    optimizer = plain_optimizer(model)

    def work() -> None:
        batch = pair(case.windows).to(model.device)
        for _ in range(STEPS):
            plain_step(model, batch, optimizer, case.base_size, case.size, case.settings.temperature)

    return work


def _rehearse_fit(phase: RowsPhase, windows: Sequence[Window]) -> None:
    """The closing fit, with all the memory of the real one and a few of its iterations."""
    plan = phase.fit_plan
    if plan is None:
        return
    with bar(len(windows), "read for the head", "window") as progress:
        read = read_positions(phase.composed, phase.head, windows, progress)
    times = math.ceil(plan.positions / sum(len(part.column) for part in read))
    again = [copy.deepcopy(part) for part in read * times]
    judged, learned = again[::JUDGES], [part for place, part in enumerate(again) if place % JUDGES]
    HeadFit(phase.composed, phase.head, learned or judged, judged).run(replace(plan, iterations=ITERATIONS))


def load_case(case: Case) -> Any:
    """The model of a case, grown."""
    own = load_model(case.model, dtype=case.dtype, device=case.device, trust_remote_code=case.trust_remote_code)
    return grow(own, case)


def _plain_values(case: Case) -> dict[str, Any]:
    values = {field.name: getattr(case, field.name) for field in dataclasses.fields(case)}
    windows = [
        {
            "student": window.student.tolist(),
            "teacher": window.teacher.tolist(),
            "ends": window.ends.tolist(),
            "first_new": window.first_new,
        }
        for window in case.windows
    ]
    return values | {"windows": windows, "settings": dataclasses.asdict(case.settings)}


def _read(path: str) -> Case:
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    windows = [
        Window(np.array(window["student"]), np.array(window["teacher"]), np.array(window["ends"]), window["first_new"])
        for window in values["windows"]
    ]
    return Case(**values | {"windows": windows, "settings": DistillConfig(**values["settings"])})
