"""Two models on the same problems: only the problems that one of them solves say which is better."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from tokengraft.statistics import checks


@dataclass(frozen=True, slots=True)
class McNemar:
    """The four counts of a paired comparison and the two-sided exact p-value."""

    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float

    @property
    def total(self) -> int:
        """Problems that were compared."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def discordant(self) -> int:
        """Problems that exactly one of the two solves."""
        return self.only_first + self.only_second


def mcnemar(
    first: Sequence[bool] | Bool[np.ndarray, " problems"], second: Sequence[bool] | Bool[np.ndarray, " problems"]
) -> McNemar:
    """Counts and two-sided p-value of McNemar's exact test: of n discordant problems each is a fair coin's throw.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions"; exact by the binomial
    distribution, p = min(1, 2 P(X ≤ min(b, c))) with X ~ B(b + c, 1/2).

    >>> test = mcnemar([True] * 6 + [False] * 4, [False] * 6 + [True] + [False] * 3)
    >>> test.only_first, test.only_second, test.p_value
    (6, 1, 0.125)

    Raises:
        ConfigError: the two are not of the same length, empty, or hold other values than true and false.
    """
    one, two = checks.outcomes(first, "first"), checks.outcomes(second, "second")
    checks.same_length(one, two)
    left, right = int((one & ~two).sum()), int((~one & two).sum())
    return McNemar(int((one & two).sum()), left, right, int((~one & ~two).sum()), exact_p_value(left, right))


def exact_p_value(only_first: int, only_second: int) -> float:
    """The two-sided exact p-value of the two discordant counts; 1 where there are none."""
    from scipy.special import bdtr  # noqa: PLC0415 - as in wilson.py

    discordant = only_first + only_second
    if only_first == only_second:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5)))
