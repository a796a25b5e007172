"""How much faster a run's own steps are than the plain way's: same model, same batch, in turn, here and now."""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tokengraft.evaluation.plain import plain_optimizer, plain_step
from tokengraft.evaluation.step_memory import Case, load_case
from tokengraft.model.rows import frozen
from tokengraft.phases.rows import RowsPhase, ready
from tokengraft.training.batches import pair

ROUNDS, WARM_UP = 5, 1


@dataclass(frozen=True, slots=True)
class StepSpeed:
    """Seconds of a step, medians, and the median of the ratios by round: a machine that slows down slows both."""

    engine: float
    plain: float
    ratio: float
    how: str

    def to_dict(self) -> dict[str, Any]:
        """As `metrics.json` holds it."""
        return {
            "engine_seconds": round(self.engine, 5),
            "plain_seconds": round(self.plain, 5),
            "ratio": round(self.ratio, 3),
            "how": self.how,
        }


def compare_speed(case: Case, *, fit_seconds: float = 0.0, steps: int = 1) -> StepSpeed:
    """Speed of the engine's step beside the plain one's, on the batch of a case.

    Where the head rests in the steps and is fitted at the end, that fit's seconds are spread over the run's steps: the
    plain way's steps teach both.
    """
    model = load_case(case)
    plain = copy.deepcopy(model)
    optimizer = plain_optimizer(plain)
    batch = pair(case.windows).to(plain.device)
    with frozen(model):
        phase = RowsPhase(model, case, case.settings, case.windows)
        optimizers = phase.optimizers()

        def engine_step() -> None:
            phase.form(case.windows)
            for each in optimizers:
                each.step()
                each.zero_grad(set_to_none=True)

        def whole_step() -> None:
            plain_step(plain, batch, optimizer, case.base_size, case.size, case.settings.temperature)

        with ready(phase, case.windows, (), 1):
            ours, theirs = _in_turn(engine_step, whole_step)
    extra = fit_seconds / max(1, steps)
    ours = [seconds + extra for seconds in ours]
    ratio = statistics.median(other / own for own, other in zip(ours, theirs, strict=True))
    tokens = sum(len(window.teacher) for window in case.windows)
    how = f"{ROUNDS} steps of each in turn on one batch of {len(case.windows)} windows and {tokens} base tokens"
    fit = "; a step's share of the closing fit is in ours" if extra else ""
    return StepSpeed(statistics.median(ours), statistics.median(theirs), ratio, how + fit)


def _in_turn(one: Callable[[], None], other: Callable[[], None]) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + WARM_UP):
        for work, seconds in zip((one, other), times, strict=True):
            begun = time.perf_counter()
            work()
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - begun)
    return times
