"""One rate throughout."""

from tokengraft.training.schedules import Shape, schedules


@schedules.register("constant")
def constant(step: int, steps: int, shape: Shape) -> float:
    """Linear rise over `warmup` of the steps, then the full rate.

    >>> [constant(step, 10, Shape(warmup=0.2)) for step in range(4)]
    [0.5, 1.0, 1.0, 1.0]
    """
    return min(1.0, (step + 1) / max(1.0, steps * shape.warmup))
