"""Learning rate over a phase."""


def rate_factor(step: int, steps: int, warmup: float, decay: float) -> float:
    """Share of the full learning rate at `step` (from 0): linear rise, plateau, linear fall that ends just above 0.

    >>> [round(rate_factor(step, 10, 0.2, 0.5), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2]
    """
    rise = (step + 1) / max(1.0, steps * warmup)
    fall = (steps - step) / max(1.0, steps * decay)
    return min(1.0, rise, fall)
