"""Which positions of two tokenizations end at the same byte."""

from tokengraft.alignment.align import align
from tokengraft.alignment.aligners import Aligner, Alignment, aligners
from tokengraft.alignment.boundaries import byte_lengths, shared_boundaries
from tokengraft.alignment.conservative import aligned_positions

__all__ = ["Aligner", "Alignment", "align", "aligned_positions", "aligners", "byte_lengths", "shared_boundaries"]
