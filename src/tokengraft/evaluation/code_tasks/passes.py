"""pass@k: would one of k answers have been right?"""

import math
from collections.abc import Sequence


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimate 1 − C(n−c, k) / C(n, k) of one problem; Chen et al. 2021, equation 1.

    >>> pass_at_k(samples=10, passed=3, k=1)
    0.3
    >>> pass_at_k(samples=5, passed=2, k=4)
    1.0
    """
    if samples - passed < k:
        return 1.0
    # Whole numbers throughout: exact, where a product of ratios would round at each factor.
    ways = math.comb(samples, k)
    return (ways - math.comb(samples - passed, k)) / ways


def mean_pass_at_k(outcomes: Sequence[Sequence[bool]], k: int) -> float:
    """The mean over problems, each with its samples' outcomes.

    >>> mean_pass_at_k([[True, False], [False, False]], 1)
    0.25
    """
    return sum(pass_at_k(len(row), sum(row), k) for row in outcomes) / len(outcomes)
