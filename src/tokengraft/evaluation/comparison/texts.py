"""One held-out text, several models: bits per byte, paired on the documents that all of them read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tokengraft.evaluation.comparison.reading import Documents, RunFigures
from tokengraft.statistics import (
    Difference,
    Estimate,
    bootstrap_ratio,
    bootstrap_ratio_difference,
    holm,
)

RESAMPLES = 2000
LEAST_DOCUMENTS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """One run's bits per byte on the shared documents."""

    run: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two runs on the same documents; the difference is second minus first, so that below 0 the second is better."""

    first: str
    second: str
    difference: Difference
    p_holm: float
    better: int
    """Documents that the second writes in fewer bits."""


@dataclass(frozen=True, slots=True)
class TextComparison:
    """Domain text or general text."""

    part: str
    documents: int
    costs: list[Cost]
    pairs: list[TextPair]


def compare_text(
    part: str, runs: Sequence[RunFigures], pairs: Sequence[tuple[int, int]], confidence: float, remarks: list[str]
) -> TextComparison | None:
    """The comparison; None, and a remark, where no document is shared by all."""
    read = [run.texts[part] for run in runs]
    shared = [name for name, (_, size) in read[0].items() if all(_same_size(one.get(name), size) for one in read)]
    if any(len(one) > len(shared) for one in read):
        remarks.append(f"text {part}: compared on the {len(shared)} documents that all runs read whole alike")
    if not shared:
        return None
    sides = [_side(one, shared) for one in read]
    costs = [
        Cost(run.name, bootstrap_ratio(*side, resamples=RESAMPLES, confidence=confidence))
        for run, side in zip(runs, sides, strict=True)
    ]
    tests = [_pair(runs, sides, pair, confidence) for pair in pairs]
    if len(shared) < LEAST_DOCUMENTS:
        # Drawn anew, so few documents are always nearly the same ones: the test would find everything certain.
        remarks.append(f"text {part}: {len(shared)} documents are too few for a test; its p-values are set to 1")
    few = len(shared) < LEAST_DOCUMENTS
    raised = holm([1.0 if few else test.difference.p_value for test in tests])
    corrected = [replace(test, p_holm=value) for test, value in zip(tests, raised, strict=True)]
    return TextComparison(part, len(shared), costs, corrected)


def _same_size(known: tuple[float, float] | None, size: float) -> bool:
    """A document of the same name and another size is another document, or was cut elsewhere."""
    return known is not None and known[1] == size


def _side(documents: Documents, names: Sequence[str]) -> tuple[list[float], list[float]]:
    return [documents[name][0] / math.log(2) for name in names], [documents[name][1] for name in names]


def _pair(
    runs: Sequence[RunFigures],
    sides: Sequence[tuple[list[float], list[float]]],
    pair: tuple[int, int],
    confidence: float,
) -> TextPair:
    first, second = sides[pair[0]], sides[pair[1]]
    change = bootstrap_ratio_difference(first, second, resamples=RESAMPLES, confidence=confidence)
    better = sum(after < before for before, after in zip(first[0], second[0], strict=True))
    return TextPair(runs[pair[0]].name, runs[pair[1]].name, change, change.p_value, better)
