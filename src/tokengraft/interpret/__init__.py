"""Where the new rows went: cosines to their pieces, neighbours, geometry, substitution, what each layer predicts.

Functions return data; `interpret.plots` draws it.
"""

from tokengraft.interpret.after_new import AfterNew, after_new
from tokengraft.interpret.cosines import PieceCosines, piece_cosines
from tokengraft.interpret.geometry import Geometry, geometry
from tokengraft.interpret.lens import LensLayer, logit_lens
from tokengraft.interpret.neighbours import Neighbour, neighbours
from tokengraft.interpret.substitution import Substitution, substitution

__all__ = [
    "AfterNew",
    "Geometry",
    "LensLayer",
    "Neighbour",
    "PieceCosines",
    "Substitution",
    "after_new",
    "geometry",
    "logit_lens",
    "neighbours",
    "piece_cosines",
    "substitution",
]
