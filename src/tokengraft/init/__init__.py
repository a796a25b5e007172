"""First values of the new rows: one method a file, one signature.

A method takes the old table in float32 and the new tokens, and returns their rows in float32.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.model.rows import NewRows
from tokengraft.model.tables import find_tables
from tokengraft.registry import Registry


class Pieced(Protocol):
    """What a method may ask of a new token: the base ids that spell it, and its bytes."""

    @property
    def pieces(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def bytes(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class InitContext:
    """What some methods need beside the table: bytes of each base id, and a seeded generator."""

    token_bytes: Callable[[int], bytes]
    generator: torch.Generator


Initialiser: TypeAlias = Callable[
    [Float[Tensor, "base d"], Sequence[Pieced], InitContext],
    Float[Tensor, "new d"],
]

initialisers: Registry[Initialiser] = Registry("initialiser", "tokengraft.init")


@torch.no_grad()
def initialise(
    model: Any, extension: Any, *, inputs: str = "subtoken-mean", head: str = "first-subtoken", seed: int = 0
) -> NewRows:
    """The new rows, which are also written into the grown `model`; computed in float32, cast to the tables' dtype.

    With tied tables one row serves both, and `inputs` decides. A head's bias starts as the method for the head makes it
    out of the old biases.

    Raises:
        ConfigError: there is no method of that name.
    """
    tables = find_tables(model)
    makers = initialisers.get(inputs), initialisers.get(head)

    def make(maker: Initialiser, table: Float[Tensor, "rows d"], offset: int) -> Float[Tensor, "new d"]:
        generator = torch.Generator().manual_seed(seed * 2 + offset)
        context = InitContext(extension.base.token_bytes, generator)
        old = table[: extension.base_size].detach().float().cpu()
        return maker(old, extension.new_tokens, context).to(table.device)

    input_rows = make(makers[0], tables.input_weight, 0)
    head_rows = input_rows if tables.tied else make(makers[1], tables.head_weight, 1)
    bias = None if tables.head_bias is None else make(makers[1], tables.head_bias[:, None], 1)[:, 0]
    rows = NewRows(input_rows, head_rows, bias, tied=tables.tied)
    rows.write(model, extension.base_size)
    return NewRows.read(model, extension.base_size, extension.size)


__all__ = ["InitContext", "Initialiser", "Pieced", "initialise", "initialisers"]
