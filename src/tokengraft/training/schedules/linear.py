"""Rise and fall, without a plateau."""

from tokengraft.training.schedule import rate_factor
from tokengraft.training.schedules import Shape, schedules


@schedules.register("linear", paper="Goyal et al. 2017, arXiv:1706.02677 (warm-up)")
def linear(step: int, steps: int, shape: Shape) -> float:
    """Linear rise over `warmup` of the steps, linear fall over the rest.

    >>> [round(linear(step, 10, Shape(warmup=0.2)), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 0.88, 0.75, 0.62, 0.5, 0.38, 0.25, 0.12]
    """
    return rate_factor(step, steps, shape.warmup, 1 - shape.warmup)
