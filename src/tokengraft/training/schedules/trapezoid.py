"""Rise, plateau, fall."""

from tokengraft.training.schedule import rate_factor
from tokengraft.training.schedules import Shape, schedules


@schedules.register("trapezoid", paper="Hägele et al. 2024, arXiv:2405.18392")
def trapezoid(step: int, steps: int, shape: Shape) -> float:
    """Linear rise over `warmup`, plateau, linear fall over `decay`."""
    return rate_factor(step, steps, shape.warmup, shape.decay)
