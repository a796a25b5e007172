"""What a phase is given, and what it says it will do."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from tokengraft.config_phases import PhaseConfig
from tokengraft.errors import ModelError
from tokengraft.model.projection import Projection, find_projection
from tokengraft.model.tables import find_tables
from tokengraft.phases.trained import Trained
from tokengraft.training.windows import Window


@dataclass(frozen=True, slots=True)
class Heldout:
    """Text that nothing is learned from, in windows, and its bytes."""

    windows: Sequence[Window]
    bytes: int


@dataclass(frozen=True)
class Task:
    """A model, what it learns from, and how."""

    model: Any
    base_size: int
    size: int
    """Ids that exist: rows beyond them belong to no text."""
    windows: Sequence[Window]
    settings: PhaseConfig
    replay: Sequence[Window] = ()
    first_pieces: tuple[int, ...] = ()
    """First base piece of each new token: where its mass belongs when it is compared with the base."""
    teacher: Any = None
    """The base itself, frozen, where part of the loss is KL to it."""
    seed: int = 0
    adapter: Path | None = None
    """Folder for the adapter of a phase that trains one; None: it is not kept."""
    heldout: Mapping[str, Heldout] = field(default_factory=dict)
    """Text of several kinds that figures in between are taken on."""
    base_name: str = ""
    """What that adapter is said to belong to."""

    @cached_property
    def projection(self) -> Projection:
        """How the model makes logits, as it stands before the phase."""
        return find_projection(self.model)

    @property
    def new_ids(self) -> list[int]:
        """Ids of the new tokens."""
        return list(range(self.base_size, self.size))

    @property
    def tied(self) -> bool:
        """Whether one table serves as input table and head."""
        return find_tables(self.model).tied


@dataclass(frozen=True, slots=True)
class Part:
    """Weights that learn together, for a share of the phase's steps."""

    name: str
    share: float
    open: Callable[[], AbstractContextManager[Trained]]
    """Makes them ready to learn; what was learned is in the model when the block ends."""


def blocks_of(model: Any) -> tuple[str, torch.nn.ModuleList]:
    """Name and list of the transformer blocks.

    Raises:
        ModelError: the model has no list of blocks.
    """
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.ModuleList)]
    if not lists:
        raise ModelError(
            found=f"{type(model).__name__} without a list of blocks",
            expected="a transformer whose blocks stand in one torch ModuleList",
            do="use the phase full, which needs to know no blocks",
        )
    return max(lists, key=lambda entry: sum(parameter.numel() for parameter in entry[1].parameters()))
