"""What is trained, and in which order: one phase a file.

`rows` is the distillation. Every later phase is a function that says which weights it trains and in which parts.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from tokengraft.phases.rows import RowsPhase, distill
from tokengraft.phases.texts import training_windows
from tokengraft.registry import Registry

if TYPE_CHECKING:
    from tokengraft.phases.task import Part, Task

Phase: TypeAlias = "Callable[[Task], list[Part]]"
"""What is to be done → its parts, which learn one after the other."""

phases: Registry[Phase] = Registry("phase", "tokengraft.phases")

__all__ = ["Phase", "RowsPhase", "distill", "phases", "training_windows"]
