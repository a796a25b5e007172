"""One code benchmark, several models: paired on the problems that all of them have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tokengraft.evaluation.code_tasks.passes import pass_at_k
from tokengraft.evaluation.comparison.reading import RunFigures
from tokengraft.statistics import (
    CochranQ,
    Difference,
    Estimate,
    McNemar,
    ZTest,
    bootstrap_difference,
    bootstrap_interval,
    cochran_q,
    holm,
    mcnemar,
    minimum_detectable_effect,
    two_proportion_z_test,
    wilson_interval,
)


@dataclass(frozen=True, slots=True)
class Rate:
    """One run's pass@1 on the shared problems."""

    run: str
    passed: float
    """Problems solved; with several samples the sum of each problem's share."""
    total: int
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class PairTest:
    """Two runs on the same problems; differences are second minus first."""

    first: str
    second: str
    difference: Difference
    """Of pass@1, with the paired bootstrap's interval and p-value."""
    mcnemar: McNemar | None
    """None where there are several samples to a problem."""
    z_test: ZTest | None
    """As if the problems were not the same ones: for comparison with others' reports."""
    p_value: float
    """McNemar's, or the bootstrap's where there is none."""
    p_holm: float
    """Corrected for all pairs of this benchmark."""
    detectable: float | None
    """Smallest difference that McNemar finds four times in five, given as many discordant problems as here."""


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One benchmark."""

    task: str
    problems: int
    """Shared by all runs that have the benchmark."""
    rates: list[Rate]
    pairs: list[PairTest]
    cochran: CochranQ | None
    """Whether the runs differ at all; None for two, or with several samples."""


def compare_task(
    task: str, runs: Sequence[RunFigures], pairs: Sequence[tuple[int, int]], confidence: float, remarks: list[str]
) -> TaskComparison | None:
    """The comparison; None, and a remark, where no problem is shared by all."""
    everywhere = set.intersection(*(set(run.tasks[task]) for run in runs))
    shared = [name for name in runs[0].tasks[task] if name in everywhere]
    _remark_on_others(task, runs, len(shared), remarks)
    if not shared:
        return None
    rows = [[run.tasks[task][name] for name in shared] for run in runs]
    single = all(len(outcome) == 1 for row in rows for outcome in row)
    rates = [_rate(run.name, row, single, confidence) for run, row in zip(runs, rows, strict=True)]
    tests = [_test(runs, rows, pair, single, confidence) for pair in pairs]
    raised = holm([test.p_value for test in tests])
    corrected = [_with_holm(test, value) for test, value in zip(tests, raised, strict=True)]
    several = cochran_q([[outcome[0] for outcome in row] for row in rows]) if single and len(runs) > 2 else None
    return TaskComparison(task, len(shared), rates, corrected, several)


def _remark_on_others(task: str, runs: Sequence[RunFigures], shared: int, remarks: list[str]) -> None:
    others = {run.name: len(run.tasks[task]) - shared for run in runs}
    if any(others.values()):
        counts = ", ".join(f"{name} has {count} more" for name, count in others.items() if count)
        remarks.append(f"benchmark {task}: compared on the {shared} problems that all have; {counts}")


def _rate(name: str, row: Sequence[Sequence[bool]], single: bool, confidence: float) -> Rate:
    values = _values(row)
    estimate = (
        wilson_interval(int(sum(values)), len(values), confidence)
        if single
        else bootstrap_interval([values], lambda drawn: drawn.mean(-1), confidence=confidence)
    )
    return Rate(name, sum(values), len(values), estimate)


def _values(row: Sequence[Sequence[bool]]) -> list[float]:
    return [pass_at_k(len(outcome), sum(outcome), 1) for outcome in row]


def _test(
    runs: Sequence[RunFigures],
    rows: Sequence[Sequence[Sequence[bool]]],
    pair: tuple[int, int],
    single: bool,
    confidence: float,
) -> PairTest:
    first, second = (_values(rows[place]) for place in pair)
    change = bootstrap_difference(first, second, confidence=confidence)
    paired = mcnemar([value == 1 for value in first], [value == 1 for value in second]) if single else None
    total = len(first)
    z_test = two_proportion_z_test(int(sum(first)), total, int(sum(second)), total) if single else None
    detectable = None
    if paired is not None and 0 < paired.discordant < total:
        detectable = minimum_detectable_effect(total, paired.discordant / total)
    p_value = paired.p_value if paired is not None else change.p_value
    names = runs[pair[0]].name, runs[pair[1]].name
    return PairTest(*names, change, paired, z_test, p_value, p_value, detectable)


def _with_holm(test: PairTest, value: float) -> PairTest:
    return replace(test, p_holm=value)
