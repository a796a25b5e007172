"""What a model's own files say of its tables, without loading the model: `config.json` and the safetensors headers."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft.errors import ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

_TABLES = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight", "shared.weight")
_MOST = 100 << 20
"""A header larger than this is none."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The input table of a model, as its files give it."""

    rows: int
    width: int | None
    """Entries of a row."""
    bytes_per_entry: int | None
    tied: bool
    """Whether the head is the same table."""

    @property
    def bytes_per_token(self) -> int | None:
        """What one more token costs on disk: a row in the input table, and one in the head where that is another."""
        if self.width is None:
            return None
        return self.width * (self.bytes_per_entry or 2) * (1 if self.tied else 2)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("rows", "width", "bytes_per_entry", "tied", "bytes_per_token")
        return {name: getattr(self, name) for name in names}


def model_facts(folder: str | Path) -> ModelFacts | None:
    """The facts of the model in a folder; None where there is no `config.json` with a vocabulary size.

    Raises:
        ModelError: a file that is there is not well formed.
    """
    place = Path(folder)
    if not (place / "config.json").is_file():
        return None
    config = _json(place / "config.json")
    config = {**config, **(config.get("text_config") or {})}
    table = next(_input_table(place), None)
    if table is None and not isinstance(config.get("vocab_size"), int):
        return None
    rows, width = table["shape"] if table else (config["vocab_size"], config.get("hidden_size") or config.get("n_embd"))
    size = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}.get(table["dtype"]) if table else None
    return ModelFacts(rows, width, size, bool(config.get("tie_word_embeddings", True)))


def _input_table(folder: Path) -> Iterator[Mapping[str, Any]]:
    index = folder / INDEX
    files = sorted(set(_json(index)["weight_map"].values())) if index.is_file() else [SINGLE]
    for name in files:
        path = folder / name
        if path.is_file():
            for tensor, facts in _header(path).items():
                if tensor.endswith(_TABLES) and len(facts.get("shape", ())) == 2:
                    yield facts


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= _MOST:
            raise _broken(path, f"a header of {length} bytes")
        data = file.read(length)
    try:
        return dict(json.loads(data))
    except (UnicodeDecodeError, ValueError, TypeError) as error:
        raise _broken(path, str(error)) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (UnicodeDecodeError, ValueError, TypeError) as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, why: str) -> ModelError:
    return ModelError(found=f"{path}: {why}", expected="a well-formed file of a model", do="fetch it again")
