"""The two-proportion z-test, which takes paired outcomes for independent ones: for comparison with others' reports."""

import math
from dataclasses import dataclass

from tokengraft.statistics import checks


@dataclass(frozen=True, slots=True)
class ZTest:
    """Standardised difference, second minus first, and its two-sided p-value."""

    z: float
    p_value: float


def two_proportion_z_test(passed_first: int, total_first: int, passed_second: int, total_second: int) -> ZTest:
    """The pooled z of two shares and its two-sided p-value; z 0 and p 1 where all pass or none do.

    z = (p₂ − p₁) / √(p(1 − p)(1/n₁ + 1/n₂)) with p the share of all. On paired problems it is too careful: the
    problems' own difficulty, which both models share, counts as noise. `mcnemar` is the test for those.

    >>> test = two_proportion_z_test(318, 1000, 366, 1000)
    >>> round(test.z, 3), round(test.p_value, 4)
    (2.263, 0.0237)

    Raises:
        ConfigError: nothing was tried, or more passed than were tried.
    """
    checks.counts(passed_first, total_first)
    checks.counts(passed_second, total_second)
    pooled = (passed_first + passed_second) / (total_first + total_second)
    error = math.sqrt(pooled * (1 - pooled) * (1 / total_first + 1 / total_second))
    if error == 0:
        return ZTest(0.0, 1.0)
    z = (passed_second / total_second - passed_first / total_first) / error
    return ZTest(z, math.erfc(abs(z) / math.sqrt(2)))
