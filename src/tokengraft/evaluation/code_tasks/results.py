"""What an evaluation on code says, as values and as `results.json`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tokengraft.evaluation.code_tasks.passes import mean_pass_at_k, pass_at_k
from tokengraft.statistics import Estimate, bootstrap_interval, wilson_interval

KIND = "code-tasks"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One benchmark."""

    task: str
    problems: int
    """In the benchmark, or in the part of it that was asked for."""
    scored: int
    """Of them those that count: their own reference passes here."""
    dropped: int
    samples: int
    """Answers to each problem."""
    pass_at: dict[str, float]
    """pass@k by k, over the problems that count."""
    interval: Estimate | None
    """Of pass@1: Wilson's for one sample each, else by bootstrap over problems."""
    statuses: dict[str, int]
    """How the programs ended."""
    empty: int
    """Answers without any text, of those that there was room for."""
    too_long: int
    """Prompts that did not fit into the model's context; counted as failed."""
    cut_off: int
    """Answers that were cut off at the greatest length."""
    missing: int
    """Samples that were never generated; only where grading alone was asked for."""
    tokens: int
    """Tokens generated."""
    references_passed: float | None
    outcomes: dict[str, list[bool]] = field(repr=False)
    """For each problem that counts, whether each sample passed."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Records of the file that are no problem, and why."""
    missing_modules: dict[str, int] = field(default_factory=dict)
    """Libraries that the grader's interpreter lacks, and how many problems were dropped for each."""


@dataclass(frozen=True, slots=True)
class CodeTaskResults:
    """All benchmarks of one model."""

    model: str
    form: str
    folder: Path
    isolation: str
    """What was taken away from the programs."""
    environment: dict[str, Any]
    tasks: list[TaskResult]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in `results.json`."""
        values = asdict(self)
        del values["folder"]
        return {"kind": KIND, **values}


def score(
    task: str,
    *,
    problems: Sequence[str],
    dropped: Mapping[str, str],
    verdicts: Mapping[tuple[str, int], Mapping[str, Any]],
    answers: Mapping[tuple[str, int], Mapping[str, Any]],
    samples: int,
    ks: Sequence[int],
    references_passed: float | None,
) -> TaskResult:
    """Figures over the problems that were not dropped and have all their samples."""
    kept = [name for name in problems if name not in dropped]
    whole = [name for name in kept if all((name, place) in verdicts for place in range(samples))]
    outcomes = {name: [bool(verdicts[name, place]["passed"]) for place in range(samples)] for name in whole}
    rows = [verdicts[name, place] for name in whole for place in range(samples)]
    texts = [answers[name, place] for name in whole for place in range(samples)]
    return TaskResult(
        task=task,
        problems=len(problems),
        scored=len(whole),
        dropped=len(problems) - len(kept),
        samples=samples,
        pass_at={str(k): mean_pass_at_k(list(outcomes.values()), k) for k in ks} if outcomes else {},
        interval=_interval(list(outcomes.values())),
        statuses=dict(Counter(str(row["status"]) for row in rows).most_common()),
        empty=sum(text["ended"] != "context" and not text["answer"].strip() for text in texts),
        too_long=sum(text["ended"] == "context" for text in texts),
        cut_off=sum(text["ended"] == "length" for text in texts),
        missing=sum((name, place) not in verdicts for name in kept for place in range(samples)),
        tokens=sum(text["tokens"] for text in texts),
        references_passed=references_passed,
        outcomes=outcomes,
    )


def _interval(outcomes: Sequence[Sequence[bool]]) -> Estimate | None:
    if not outcomes:
        return None
    if len(outcomes[0]) == 1:
        return wilson_interval(sum(row[0] for row in outcomes), len(outcomes))
    return bootstrap_interval([[pass_at_k(len(row), sum(row), 1) for row in outcomes]], lambda values: values.mean(-1))
