"""Finding the two tables of a model, growing them, and rows that train alone."""

from tokengraft.model.grow import grow
from tokengraft.model.load import check_model, load_model
from tokengraft.model.rows import NewRows
from tokengraft.model.tables import Tables, find_tables

__all__ = ["NewRows", "Tables", "check_model", "find_tables", "grow", "load_model"]
