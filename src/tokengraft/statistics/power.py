"""How small a difference could this comparison have seen?"""

import numpy as np
from jaxtyping import Float

from tokengraft.errors import ConfigError
from tokengraft.statistics import checks

Row = Float[np.ndarray, " n"]

STEPS = 60
"""Halvings of the search: enough for the last bit of a float64."""


def mcnemar_power(total: int, discordant_share: float, difference: float, alpha: float = 0.05) -> float:
    """Probability that McNemar's exact test finds a true difference, computed over all outcomes, not approximated.

    `discordant_share` is the share of problems that exactly one of the models solves, `difference` the second's share
    of passes minus the first's; it cannot be larger than the former.

    >>> round(mcnemar_power(1000, 0.2, 0.048), 3)
    0.918

    Raises:
        ConfigError: a share outside (0, 1), no problems, or a difference that the discordant share cannot hold.
    """
    checks.counts(0, total)
    checks.share(alpha, "alpha")
    checks.share(discordant_share, "discordant share")
    if not abs(difference) <= discordant_share:
        raise ConfigError(
            found=f"difference {difference} with a discordant share of {discordant_share}",
            expected="a difference no larger than the share of problems that one model alone solves",
            do="change one of the two",
        )
    n = np.arange(1, total + 1, dtype=np.float64)
    critical = _critical(n, alpha / 2)
    chance = (discordant_share + abs(difference)) / (2 * discordant_share)
    rejected = _at_most(critical, n, chance) + _at_most(critical, n, 1 - chance)
    return float((_exactly(n, total, discordant_share) * rejected).sum())


def minimum_detectable_effect(
    total: int, discordant_share: float, *, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Smallest true difference in the share of passes that McNemar's exact test finds with probability `power`.

    None where not even the largest difference that the discordant share allows is found so often: too few problems.

    >>> round(minimum_detectable_effect(1000, 0.2), 4)
    0.0404
    >>> minimum_detectable_effect(20, 0.1) is None
    True

    Raises:
        ConfigError: a share outside (0, 1), or no problems.
    """
    checks.share(power, "power")
    low, high = 0.0, discordant_share
    if mcnemar_power(total, discordant_share, high, alpha) < power:
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        enough = mcnemar_power(total, discordant_share, middle, alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def _critical(n: Row, tail: float) -> Row:
    """The largest count of the rarer kind among n that a fair coin shows with probability `tail` at most; −1: none."""
    low, high = np.full_like(n, -1.0), np.floor(n / 2)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        rare = _at_most(middle, n, 0.5) <= tail
        low, high = np.where(rare, middle, low), np.where(rare, high, middle)
    return low


def _at_most(count: Row, n: Row, chance: float) -> Row:
    """Binomial probability of at most `count` (below n, or −1) of n."""
    from scipy.special import betainc  # noqa: PLC0415 - as in wilson.py

    return np.where(count < 0, 0.0, betainc(n - count.clip(min=0), count.clip(min=0) + 1, 1 - chance))


def _exactly(n: Row, total: int, share: float) -> Row:
    """Binomial probability of each number of discordant problems."""
    from scipy.special import gammaln  # noqa: PLC0415 - as in wilson.py

    ways = gammaln(total + 1) - gammaln(n + 1) - gammaln(total - n + 1)
    return np.exp(ways + n * np.log(share) + (total - n) * np.log1p(-share))
