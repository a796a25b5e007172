"""The same rise and fall several times over."""

from itertools import accumulate

from tokengraft.training.schedule import rate_factor
from tokengraft.training.schedules import Shape, schedules


@schedules.register(
    "warm-restarts", paper="Loshchilov and Hutter 2017, arXiv:1608.03983 (linear, as the thesis has it)"
)
def warm_restarts(step: int, steps: int, shape: Shape) -> float:
    """Cycles of the given lengths, each with a linear rise over `warmup` of it and a linear fall over its rest.

    >>> [round(warm_restarts(step, 6, Shape(warmup=0.0, cycles=(2, 1))), 2) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 1.0, 0.5]
    """
    reached = list(accumulate(shape.cycles))
    ends = [round(steps * length / reached[-1]) for length in reached]
    begin = max((end for end in ends if end <= step), default=0)
    end = min(end for end in ends if end > step)
    return rate_factor(step - begin, end - begin, shape.warmup, 1 - shape.warmup)
