"""Interval of a share of passes."""

import math

from tokengraft.statistics import checks
from tokengraft.statistics.estimates import Estimate


def wilson_interval(passed: int, total: int, confidence: float = 0.95) -> Estimate:
    """The share of passes with Wilson's score interval, which stays inside [0, 1] and holds its level near 0 and 1.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference", equation in section 3.

    >>> estimate = wilson_interval(0, 20)
    >>> estimate.value, estimate.low, round(estimate.high, 4)
    (0.0, 0.0, 0.1611)

    Raises:
        ConfigError: nothing was tried, more passed than were tried, or the confidence is outside (0, 1).
    """
    from scipy.special import ndtri  # noqa: PLC0415 - a tenth of a second that only who asks for a figure spends

    checks.counts(passed, total)
    checks.share(confidence, "confidence")
    z = -float(ndtri((1 - confidence) / 2))
    rate, weight = passed / total, z * z / total
    centre = (rate + weight / 2) / (1 + weight)
    half = z * math.sqrt(rate * (1 - rate) / total + weight / (4 * total)) / (1 + weight)
    # Rounding would leave 1e-18 at the ends, where the interval is 0 or 1 exactly.
    low = 0.0 if passed == 0 else max(0.0, centre - half)
    high = 1.0 if passed == total else min(1.0, centre + half)
    return Estimate(rate, low, high, confidence)
