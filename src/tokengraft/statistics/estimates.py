"""What a statistic comes with: its value, the interval around it, and for a difference the p-value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its confidence interval, in the value's own unit."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """Second minus first, its interval, and how often a difference so far from zero is seen where there is none."""

    p_value: float = 1.0
