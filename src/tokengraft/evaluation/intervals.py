"""Confidence intervals of a model's figures, and of differences between models on the same documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokengraft.evaluation.sums import Ratio
from tokengraft.statistics import bootstrap_ratio, bootstrap_ratio_difference

RESAMPLES = 2000
LEAST_DOCUMENTS = 5
"""With fewer documents than this an interval would pretend to know how documents differ."""


def interval(ratio: Ratio) -> list[float] | None:
    """95 % interval of a figure by resampling documents; None where there are too few of them.

    >>> interval(Ratio(np.full(6, 2.0), np.full(6, 4.0)))
    [0.5, 0.5]
    """
    counted = ratio.under > 0
    if counted.sum() < LEAST_DOCUMENTS:
        return None
    found = bootstrap_ratio(ratio.over[counted], ratio.under[counted], resamples=RESAMPLES)
    return [found.low, found.high]


def difference(first: Ratio, second: Ratio) -> dict[str, Any] | None:
    """Second figure minus first with its interval and p-value, the same documents drawn for both; None: too few.

    >>> change = difference(Ratio(np.arange(1.0, 9.0), np.full(8, 4.0)), Ratio(np.arange(0.0, 8.0), np.full(8, 4.0)))
    >>> change["value"], change["low"], change["high"]
    (-0.25, -0.25, -0.25)
    """
    counted = (first.under > 0) & (second.under > 0)
    if counted.sum() < LEAST_DOCUMENTS:
        return None
    sides = [(ratio.over[counted], ratio.under[counted]) for ratio in (first, second)]
    found = bootstrap_ratio_difference(sides[0], sides[1], resamples=RESAMPLES)
    return {
        "value": found.value, "low": found.low, "high": found.high, "p_value": found.p_value,
        "documents": int(counted.sum()),
    }  # fmt: skip


COMPARED = ("bits_per_byte", "tokens_per_byte")
"""Figures whose difference between two models says which is the better one."""


def differences(details: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Differences between the named pairs of models, of whose details each has the sums by document of `to_detail`."""
    named = {detail["name"]: detail for detail in details}
    found = []
    for before, after in pairs:
        for part in ("domain", "general"):
            sides = [named[name].get(part) for name in (before, after)]
            if any(side is None for side in sides):
                continue
            for metric in COMPARED:
                change = difference(*(_ratio(side["documents"], metric) for side in sides if side))
                found.append({"before": before, "after": after, "part": part, "metric": metric, "change": change})
    return found


def _ratio(documents: Mapping[str, Any], metric: str) -> Ratio:
    over = documents["nats"] if metric == "bits_per_byte" else documents["tokens"]
    unit = np.log(2) if metric == "bits_per_byte" else 1.0
    return Ratio(np.asarray(over, float) / unit, np.asarray(documents["bytes"], float))
