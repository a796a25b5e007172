"""First values of the new rows: one method a file, one signature.

A method takes the old table in float32 and the new tokens, and returns their rows in float32.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.config import InitConfig
from tokengraft.errors import ConfigError
from tokengraft.init.ingredients import Donor, Ingredients, check_given, refuse_missing, words_of
from tokengraft.model.rows import NewRows
from tokengraft.model.tables import find_tables
from tokengraft.registry import Registry


class Pieced(Protocol):
    """What a method may ask of a new token: the base ids that spell it, its bytes and its id."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def pieces(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def bytes(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class InitContext:
    """What some methods need beside the table: bytes of each base id, a seeded generator, and further ingredients."""

    token_bytes: Callable[[int], bytes]
    generator: torch.Generator
    table: str = "inputs"
    """Which rows are asked for: `inputs`, `head`, or `bias`, a table of one column."""
    ingredients: Ingredients = field(default_factory=Ingredients)


Initialiser: TypeAlias = Callable[
    [Float[Tensor, "base d"], Sequence[Pieced], InitContext],
    Float[Tensor, "new d"],
]

initialisers: Registry[Initialiser] = Registry("initialiser", "tokengraft.init")

IN_A_RUN = frozenset({"corpus", "states", "fit", "probe"})
"""Ingredients that a run with a corpus makes itself."""


def check_methods(settings: InitConfig) -> None:
    """Returns where there are methods of these names, and the settings of a run give them all they need.

    Raises:
        ConfigError: there is no such method, or an ingredient is missing.
        TokengraftError: an ingredient cannot be read.
    """
    for setting in ("inputs", "head"):
        entry = initialisers.entry(getattr(settings, setting))
        for need in entry.needs:
            given = need in IN_A_RUN or getattr(settings, need, None) is not None
            lacking = Ingredients().lacks(need) if need == "gensim" else not given
            if lacking or (need == "fit" and setting == "inputs"):
                refuse_missing(entry.name, setting, need)
    for name in settings.candidates:
        if initialisers.entry(name).needs:
            raise ConfigError(
                found=f"init.candidates with {name}",
                expected="methods that need nothing but the table and the tokens",
                do=f"leave {name} out, or name it in init.inputs or init.head",
            )
    check_given(settings)


@torch.no_grad()
def initialise(
    model: Any,
    extension: Any,
    *,
    inputs: str = "exponential",
    head: str = "first-subtoken",
    calibrate: bool = False,
    seed: int = 0,
    ingredients: Ingredients | None = None,
) -> NewRows:
    """The new rows, which are also written into the grown `model`; computed in float32, cast to the tables' dtype.

    With tied tables one row serves both, and `inputs` decides. A head's bias starts as the method for the head makes it
    out of the old biases. `calibrate` scales each row to the median norm of its old table.

    Raises:
        ConfigError: there is no method of that name, or it lacks an ingredient.
    """
    tables = find_tables(model)
    given = ingredients or Ingredients()
    entries = {"inputs": initialisers.entry(inputs), "head": initialisers.entry(head)}
    for setting, entry in entries.items():
        for need in entry.needs:
            if given.lacks(need) and not (tables.tied and setting == "head"):
                refuse_missing(entry.name, setting, need)

    def make(half: str, table: Float[Tensor, "rows d"], name: str) -> Float[Tensor, "new d"]:
        generator = torch.Generator().manual_seed(seed * 2 + (half == "head"))
        context = InitContext(extension.base.token_bytes, generator, name, given)
        old = table[: extension.base_size].detach().float().cpu()
        rows = entries[half].function(old, extension.new_tokens, context)
        return (to_median_norm(rows, old) if calibrate and name != "bias" else rows).to(table.device)

    input_rows = make("inputs", tables.input_weight, "inputs")
    head_rows = input_rows if tables.tied else make("head", tables.head_weight, "head")
    bias = None
    if tables.head_bias is not None:
        bias = make("inputs" if tables.tied else "head", tables.head_bias[:, None], "bias")[:, 0]
    rows = NewRows(input_rows, head_rows, bias, tied=tables.tied)
    rows.write(model, extension.base_size)
    return NewRows.read(model, extension.base_size, extension.size)


def to_median_norm(rows: Float[Tensor, "new d"], table: Float[Tensor, "base d"]) -> Float[Tensor, "new d"]:
    """The rows, each with the median norm of the table's; a row of zeros stays.

    >>> to_median_norm(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0], [9.0, 0.0]])).norm().item()
    2.0
    """
    norms = rows.norm(dim=1, keepdim=True)
    return rows * (table.norm(dim=1).median() / norms.clamp_min(torch.finfo(norms.dtype).tiny))


__all__ = [
    "Donor",
    "Ingredients",
    "InitContext",
    "Initialiser",
    "Pieced",
    "check_methods",
    "initialise",
    "initialisers",
    "to_median_norm",
    "words_of",
]
