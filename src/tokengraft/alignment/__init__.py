"""Which positions of two tokenizations end at the same byte."""

from tokengraft.alignment.align import Alignment, align, byte_lengths
from tokengraft.alignment.boundaries import shared_boundaries
from tokengraft.alignment.conservative import aligned_positions

__all__ = ["Alignment", "align", "aligned_positions", "byte_lengths", "shared_boundaries"]
