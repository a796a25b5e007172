"""The two tables in a model's files: found, written with more rows, and brought back."""

import base64
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tokengraft.errors import ModelError
from tokengraft.model import find_tables
from tokengraft.model.stored import STORED
from tokengraft.special.graft import Grafted, plain
from tokengraft.special.plan import Plan
from tokengraft.special.weights import Header, digest, rewrite, row_bytes, stored_rows, weight_files


def tables_in_files(source: Path, model: Any, plan: Plan) -> dict[str, dict[str, str]]:
    """For each weight file that holds a table, its tensors, each as `inputs`, `head` or `bias`.

    Raises:
        ModelError: a table has another name in the files than in the model.
    """
    inner = plain(model)
    tables = find_tables(inner)
    files, first = weight_files(source), plan.base_size
    wanted: list[tuple[str, Tensor | None]] = [
        ("inputs", tables.input_weight), ("head", tables.head_weight), ("bias", tables.head_bias)
    ]  # fmt: skip
    found: dict[str, dict[str, str]] = {}
    for what, weight in wanted:
        if weight is None:
            continue
        names = [name for name, parameter in inner.named_parameters(remove_duplicate=False) if parameter is weight]
        stored = sorted({form for name in names for form in _forms(name, inner.base_model_prefix) if form in files})
        stored = stored or _with_same_bits(source, files, weight.detach()[:first])
        if not stored:
            raise ModelError(
                found=f"no tensor {' or '.join(names)} in the files of {source}",
                expected="tables under the names that the model gives them",
                do="load the model with transformers, save it with save_pretrained, and take that folder",
            )
        for name in stored:
            found.setdefault(files[name], {}).setdefault(name, what)
    return found


def write_tables(source: Path, target: Path, parts: Mapping[str, str], plan: Plan, done: Grafted) -> dict[str, Any]:
    """Writes one weight file with more rows; what its original bytes were, for the record."""
    header, first, count = Header.read(source), plan.base_size, plan.size - plan.base_size
    rows, pieces, kept, grown = {}, {}, {}, 0
    for name, what in parts.items():
        size, old = row_bytes(header, name), header.tensors[name]["shape"][0]
        new = _new_bytes(header.tensors[name]["dtype"], what, done)
        last = min(old, plan.size)
        tokens, phantoms = new[: count * size], new[count * size :]
        pieces[name] = [slice(0, first * size), tokens, slice(last * size, old * size), phantoms]
        rows[name] = done.rows_after
        kept[name] = {"rows": old, "first": first, "taken": packed(stored_rows(source, header, name, first, last))}
        grown += (done.rows_after - old) * size
    before = rewrite(source, target, header.resized(rows), pieces)
    return {"before": before, "after": digest(target), "header": packed(header.raw), "tensors": kept, "grown": grown}


def bring_back(source: Path, target: Path, record: Mapping[str, Any]) -> bool:
    """Whether the file is now byte for byte what it was; where it was trained since, only the new rows go."""
    header, pieces = Header.read(source), {}
    for name, kept in record["tensors"].items():
        size, taken = row_bytes(header, name), unpacked(kept["taken"])
        first = kept["first"] * size
        pieces[name] = [slice(0, first), taken, slice(first + len(taken), kept["rows"] * size)]
    rewrite(source, target, unpacked(record["header"]), pieces)
    return digest(target) == record["before"]


def _with_same_bits(source: Path, files: Mapping[str, str], old: Tensor) -> list[str]:
    """Tensors that begin with these old rows under another name, as where transformers renames what it reads."""
    found = []
    for name, file in files.items():
        header = Header.read(source / file)
        stored = header.tensors[name]
        if stored["dtype"] in STORED and stored["shape"][1:] == list(old.shape[1:]) and stored["shape"][0] >= len(old):
            data = bytearray(stored_rows(source / file, header, name, 0, len(old)))
            values = torch.frombuffer(data, dtype=STORED[stored["dtype"]]).view(old.shape)
            if torch.equal(values.to(old), old):
                found.append(name)
    return found


def packed(data: bytes) -> str:
    """Bytes as text for JSON, compressed."""
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def unpacked(text: str) -> bytes:
    """The bytes of `packed`."""
    return zlib.decompress(base64.b64decode(text))


def _new_bytes(stored: str, what: str, done: Grafted) -> bytes:
    new = done.made.new
    rows = {"inputs": new.inputs, "head": new.head, "bias": new.bias}[what]
    assert rows is not None
    return rows.detach().to(STORED[stored]).contiguous().view(torch.uint8).numpy().tobytes()


def _forms(name: str, prefix: str) -> Iterator[str]:
    yield name
    yield name.removeprefix(f"{prefix}.")
    yield f"{prefix}.{name}"
