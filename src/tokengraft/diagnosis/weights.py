"""Weights by name, read in slices of rows: from safetensors files, or out of a loaded model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tokengraft.errors import ModelError
from tokengraft.model.checks import ANEW, first_line
from tokengraft.model.stored import STORED

CHUNK_BYTES = 64 * 2**20
"""Of float32 rows held at once."""


class Weights(Protocol):
    """What the checks read weights through."""

    @property
    def names(self) -> frozenset[str]: ...  # noqa: D102
    def shape(self, name: str) -> tuple[int, ...]: ...  # noqa: D102
    def dtype(self, name: str) -> torch.dtype: ...  # noqa: D102
    def rows(self, name: str, start: int, stop: int) -> Tensor: ...  # noqa: D102


class StoredWeights:
    """Weights of a folder. Only the slices that are asked for are read."""

    def __init__(self, files: list[Path]) -> None:
        self._files: dict[str, Any] = {}
        for file in files:
            opened = _opened(file)
            self._files |= dict.fromkeys(opened.keys(), opened)

    @property
    def names(self) -> frozenset[str]:
        """Every weight that the files hold."""
        return frozenset(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        """Its shape, from the header."""
        return tuple(self._files[name].get_slice(name).get_shape())

    def dtype(self, name: str) -> torch.dtype:
        """Its dtype, from the header; `uint8` for what is no plain floating-point type."""
        return STORED.get(self._files[name].get_slice(name).get_dtype(), torch.uint8)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop` of a weight, as they are stored."""
        return self._files[name].get_slice(name)[start:stop]


class LoadedWeights:
    """Weights of a model in memory; a tied weight stands under each of its names."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = dict(parameters)

    @property
    def names(self) -> frozenset[str]:
        """Every parameter."""
        return frozenset(self._parameters)

    def shape(self, name: str) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self._parameters[name].shape)

    def dtype(self, name: str) -> torch.dtype:
        """Its dtype."""
        return self._parameters[name].dtype

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop`, on the CPU."""
        return self._parameters[name][start:stop].detach().cpu()

    def same_storage(self, first: str, second: str) -> bool:
        """Whether two names are one tensor."""
        return self._parameters[first].data_ptr() == self._parameters[second].data_ptr()


def chunks(weights: Weights, name: str) -> Iterator[tuple[int, Tensor]]:
    """First row and stored values of one slice after another, each small."""
    rows, *rest = weights.shape(name)
    step = max(1, CHUNK_BYTES // (4 * max(1, torch.Size(rest).numel())))
    for start in range(0, rows, step):
        yield start, weights.rows(name, start, min(rows, start + step))


def _opened(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (OSError, SafetensorError) as error:
        raise ModelError(found=f"{file}: {first_line(error)}", expected="a whole safetensors file", do=ANEW) from error
