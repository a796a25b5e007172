"""Which optimiser moves which rows, and how fast."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam, Optimizer

from tokengraft.config import DistillConfig
from tokengraft.model.rows import NewRows
from tokengraft.model.tables import Tables
from tokengraft.training.piece_adam import Kinship, PieceAdam


def row_optimizers(
    rows: NewRows, tables: Tables, base_size: int, pieces: Sequence[Sequence[int]], settings: DistillConfig
) -> list[Optimizer]:
    """One for the input rows, one for the head rows; a single one where the tables are tied.

    Relative rates are shares of the root mean square entry of the old table, because Adam moves an entry by about
    its rate whatever the gradient: 3e-4 is much for a table with entries of 0.01 and little for one of 1.
    """
    unit = _entry_size if settings.relative_rates else _absolute
    rate = settings.rate_inputs * unit(tables.input_weight[:base_size])
    first, second = settings.betas
    if settings.piece_share:
        kinship = Kinship(pieces)
        inputs: Optimizer = PieceAdam(rows.inputs, kinship, rate, settings.piece_share, betas=(first, second))
    else:
        inputs = Adam([rows.inputs], lr=rate, betas=(first, second))
    if rows.tied:
        return [inputs]
    head: list[Tensor] = [rows.head, *([] if rows.bias is None else [rows.bias])]
    return [inputs, Adam(head, lr=settings.rate_head * unit(tables.head_weight[:base_size]))]


def _absolute(table: Float[Tensor, "base d"]) -> float:
    del table
    return 1.0


def _entry_size(table: Float[Tensor, "base d"]) -> float:
    """Root mean square, without a float32 copy of the table."""
    return (torch.linalg.vector_norm(table, dtype=torch.float32) / table.numel() ** 0.5).item()
