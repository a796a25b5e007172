"""Runs beside each other: paired on what they share, with tests that know it. No torch here."""

from tokengraft.evaluation.comparison.compare import Comparison, compare
from tokengraft.evaluation.comparison.reading import RunFigures, read_figures

__all__ = ["Comparison", "RunFigures", "compare", "read_figures"]
