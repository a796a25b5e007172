"""Which optimiser moves which rows, and how fast."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam, Optimizer

from tokengraft.config import DistillConfig
from tokengraft.model.rows import NewRows
from tokengraft.model.tables import Tables


def row_optimizers(rows: NewRows, tables: Tables, base_size: int, settings: DistillConfig) -> list[Optimizer]:
    """One for the input rows, one for the head rows; a single one where the tables are tied.

    Relative rates are shares of the root mean square entry of the old table, because Adam moves an entry by about
    its rate whatever the gradient: 3e-4 is much for a table with entries of 0.01 and little for one of 1.
    """
    groups: list[tuple[float, Tensor, list[Tensor]]] = [(settings.rate_inputs, tables.input_weight, [rows.inputs])]
    if not rows.tied:
        head: list[Tensor] = [rows.head, *([] if rows.bias is None else [rows.bias])]
        groups.append((settings.rate_head, tables.head_weight, head))
    unit = _entry_size if settings.relative_rates else _absolute
    return [Adam(members, lr=rate * unit(table[:base_size])) for rate, table, members in groups]


def _absolute(table: Float[Tensor, "base d"]) -> float:
    del table
    return 1.0


def _entry_size(table: Float[Tensor, "base d"]) -> float:
    """Root mean square, without a float32 copy of the table."""
    return (torch.linalg.vector_norm(table, dtype=torch.float32) / table.numel() ** 0.5).item()
