"""Every benchmark and every text that two or more runs share, each compared on its own."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from tokengraft.errors import ConfigError
from tokengraft.evaluation.comparison.outcomes import TaskComparison, compare_task
from tokengraft.evaluation.comparison.reading import RunFigures
from tokengraft.evaluation.comparison.texts import TextComparison, compare_text


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was compared, the first run being what the others are held against."""

    runs: list[str]
    tasks: list[TaskComparison]
    texts: list[TextComparison]
    remarks: list[str]
    """What a reader must know: problems that not all runs have, benchmarks that only one has."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": "comparison", **asdict(self)}


def compare(runs: Sequence[RunFigures], *, all_pairs: bool = False, confidence: float = 0.95) -> Comparison:
    """The runs beside each other: each against the first, or every two; p-values corrected within each benchmark.

    Raises:
        ConfigError: fewer than two runs, or two that share neither a problem nor a document.
    """
    if len(runs) < 2:
        raise ConfigError(found=f"{len(runs)} run(s)", expected="two or more", do="name another run to compare with")
    remarks: list[str] = []
    tasks = [
        compare_task(task, having, _pairs(len(having), all_pairs), confidence, remarks)
        for task, having in _shared([run.tasks for run in runs], runs, "benchmark", remarks)
    ]
    texts = [
        compare_text(part, having, _pairs(len(having), all_pairs), confidence, remarks)
        for part, having in _shared([run.texts for run in runs], runs, "text", remarks)
    ]
    found = Comparison(
        [run.name for run in runs],
        [task for task in tasks if task is not None],
        [text for text in texts if text is not None],
        remarks,
    )
    if not found.tasks and not found.texts:
        raise ConfigError(
            found="; ".join(remarks) or "runs without figures in common",
            expected="a benchmark or a held-out text that at least two of the runs share",
            do="evaluate them on the same benchmark, or on the same held-out text",
        )
    return found


def _shared(
    kinds: Sequence[Any], runs: Sequence[RunFigures], what: str, remarks: list[str]
) -> list[tuple[str, list[RunFigures]]]:
    """What at least two runs have, with those that have it; what only one has is said."""
    names = list(dict.fromkeys(name for kind in kinds for name in kind))
    result = []
    for name in names:
        having = [run for run, kind in zip(runs, kinds, strict=True) if name in kind]
        if len(having) < 2:
            remarks.append(f"{what} {name}: only {having[0].name} has it, nothing to compare")
        else:
            result.append((name, having))
            if len(having) < len(runs):
                lacking = ", ".join(run.name for run in runs if run not in having)
                remarks.append(f"{what} {name}: not measured for {lacking}")
    return result


def _pairs(count: int, all_pairs: bool) -> list[tuple[int, int]]:
    return list(combinations(range(count), 2)) if all_pairs else [(0, place) for place in range(1, count)]
