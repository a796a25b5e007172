"""Rise, and half a cosine down."""

import math

from tokengraft.training.schedules import Shape, schedules


@schedules.register("cosine", paper="Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5")
def cosine(step: int, steps: int, shape: Shape) -> float:
    """Linear rise over `warmup` of the steps, half a cosine down to just above 0 over the rest.

    >>> [round(cosine(step, 8, Shape(warmup=0.25)), 2) for step in range(8)]
    [0.5, 1.0, 1.0, 0.93, 0.75, 0.5, 0.25, 0.07]
    """
    rise = steps * shape.warmup
    if step < rise:
        return min(1.0, (step + 1) / max(1.0, rise))
    return (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise))) / 2
