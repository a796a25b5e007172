"""What is trained, and in which order: one phase a file."""

from tokengraft.phases.rows import RowsPhase, distill, training_windows

__all__ = ["RowsPhase", "distill", "training_windows"]
