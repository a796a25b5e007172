"""Learning rates over a phase, one shape a file: each gives the share of the full rate at a step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tokengraft.registry import Registry


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schedule may ask about: shares of the steps, and lengths of cycles against one another."""

    warmup: float = 0.05
    decay: float = 0.5
    cycles: tuple[float, ...] = (1.0,)


Schedule: TypeAlias = Callable[[int, int, Shape], float]
"""(step from 0, steps, shape) → share of the full learning rate, above 0 and at most 1."""

schedules: Registry[Schedule] = Registry("schedule", "tokengraft.training.schedules")

__all__ = ["Schedule", "Shape", "schedules"]
