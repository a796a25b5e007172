"""Weights of a checkpoint one at a time, whatever files they stand in, and what differs between two of them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from jaxtyping import Int, Shaped
from safetensors import safe_open
from torch import Tensor

from tokengraft.errors import ExportError
from tokengraft.model.tables import same_bits

MOSTLY = 0.5
"""Share of changed rows from which a tensor is kept whole."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What differs in a tensor: these rows of the result are new, all others are those of the base."""

    places: Int[Tensor, " changed"]
    values: Shaped[Tensor, "changed *rest"]
    height: int

    def on(self, base: Shaped[Tensor, "rows *rest"]) -> Shaped[Tensor, "height *rest"]:
        """The result."""
        result = base.new_empty((self.height, *base.shape[1:]))
        kept = min(self.height, len(base))
        result[:kept] = base[:kept]
        result[self.places] = self.values
        return result


def weights(name: str | Path) -> Mapping[str, Path]:
    """Name of each weight and the file that it stands in; `name` is a folder or a hub id that was loaded before.

    Raises:
        ExportError: there are no safetensors.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = Path(snapshot_download(str(name), allow_patterns=["*.safetensors"], local_files_only=True))
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= dict.fromkeys(file.keys(), path)
    if not found:
        raise ExportError(found=f"no *.safetensors in {folder}", expected="a model's weights", do="check the path")
    return found


def tensor(files: Mapping[str, Path], name: str) -> Tensor:
    """One weight."""
    with safe_open(files[name], framework="pt") as file:
        return file.get_tensor(name)


def fingerprint(files: Mapping[str, Path]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all weights: the same however they are spread over files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        value = tensor(files, name)
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def differing(base: Mapping[str, Path], result: Mapping[str, Path]) -> Iterator[tuple[str, Rows | Tensor]]:
    """Each weight of `result` that is not the base's, bit for bit: its changed rows, or all of it."""
    for name in sorted(result):
        after = tensor(result, name)
        before = tensor(base, name) if name in base else None
        if before is None:
            yield name, after
        elif not same_bits(before, after):
            yield name, changed_rows(before, after)


def changed_rows(before: Tensor, after: Tensor) -> Rows | Tensor:
    """The rows that differ; all of `after` where shapes or dtypes do not fit or most rows differ."""
    if not after.dim() or before.dtype != after.dtype or before.shape[1:] != after.shape[1:]:
        return after
    shared = min(len(before), len(after))
    moved = _moved(before[:shared], after[:shared]) if shared else torch.zeros(0, dtype=torch.int64)
    places = torch.cat([moved, torch.arange(shared, len(after))])
    if len(moved) > MOSTLY * shared:
        return after
    return Rows(places, after[places], len(after))


def _moved(one: Tensor, other: Tensor) -> Tensor:
    """Places of the rows whose bits differ."""
    left, right = (part.contiguous().view(len(part), -1).view(torch.uint8) for part in (one, other))
    return (left != right).any(1).nonzero().flatten()
