"""Several models on the same problems: do they differ at all?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokengraft.errors import ConfigError
from tokengraft.statistics import checks


@dataclass(frozen=True, slots=True)
class CochranQ:
    """The statistic, its degrees of freedom and its p-value."""

    q: float
    degrees: int
    p_value: float


def cochran_q(outcomes: Sequence[Sequence[bool]]) -> CochranQ:
    """Cochran's Q over models (one row of outcomes each, the same problems in the same order), chi-squared p-value.

    Cochran 1950, "The comparison of percentages in matched samples". Problems that all models or none solve say
    nothing; where there are only such, Q is 0 and p is 1. For two models Q is McNemar's chi-squared.

    >>> result = cochran_q([[1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1]])
    >>> round(result.q, 3), result.degrees, round(result.p_value, 3)
    (4.667, 2, 0.097)

    Raises:
        ConfigError: fewer than two models, or rows that cannot be paired.
    """
    from scipy.special import chdtrc  # noqa: PLC0415 - as in wilson.py

    if len(outcomes) < 2:
        raise ConfigError(found=f"{len(outcomes)} model(s)", expected="two or more", do="add a model to compare")
    rows = [checks.outcomes(row, f"model {place}") for place, row in enumerate(outcomes, start=1)]
    for row in rows[1:]:
        checks.same_length(rows[0], row)
    table = np.stack(rows).astype(np.int64)
    models, by_model, by_problem = len(table), table.sum(axis=1), table.sum(axis=0)
    spread = models * by_problem.sum() - (by_problem**2).sum()
    if spread == 0:
        return CochranQ(0.0, models - 1, 1.0)
    q = (models - 1) * float(models * (by_model**2).sum() - by_model.sum() ** 2) / float(spread)
    return CochranQ(q, models - 1, float(chdtrc(models - 1, q)))
