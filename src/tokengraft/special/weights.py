"""More or fewer rows of two tables inside safetensors files, by copying bytes: nothing else is read or rounded."""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from tokengraft.errors import ModelError
from tokengraft.model.checks import INDEX, WHOLE

CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a safetensors file: its own bytes, and each tensor's place in the order of the data."""

    raw: bytes
    tensors: dict[str, dict[str, Any]]
    metadata: Any
    begin: int
    """Where the data begin."""

    @classmethod
    def read(cls, path: Path) -> "Header":
        """The head of the file at `path`."""
        with path.open("rb") as file:
            [size] = struct.unpack("<Q", file.read(8))
            raw = file.read(size)
        entries = json.loads(raw)
        metadata = entries.pop("__metadata__", None)
        ordered = dict(sorted(entries.items(), key=lambda entry: entry[1]["data_offsets"][0]))
        return cls(raw, ordered, metadata, 8 + size)

    def resized(self, rows: Mapping[str, int]) -> bytes:
        """The head of a file in which the named tensors have as many rows."""
        entries: dict[str, Any] = {} if self.metadata is None else {"__metadata__": self.metadata}
        place = 0
        for name, tensor in self.tensors.items():
            shape = [rows.get(name, tensor["shape"][0]), *tensor["shape"][1:]] if tensor["shape"] else []
            length = _length(tensor) // max(1, prod(tensor["shape"])) * prod(shape)
            entries[name] = {"dtype": tensor["dtype"], "shape": shape, "data_offsets": [place, place + length]}
            place += length
        raw = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
        return raw + b" " * (-len(raw) % 8)


def weight_files(folder: Path) -> dict[str, str]:
    """The file of each tensor in a model folder.

    Raises:
        ModelError: there are no safetensors weights under the usual names.
    """
    if (folder / WHOLE).is_file():
        return dict.fromkeys(Header.read(folder / WHOLE).tensors, WHOLE)
    if (folder / INDEX).is_file():
        return json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
    raise ModelError(found=f"{folder} without {WHOLE}", expected="weights in safetensors", do="convert the weights")


def rewrite(source: Path, target: Path, header: bytes, parts: Mapping[str, Sequence[bytes | slice]]) -> str:
    """SHA-256 of `source`; `target` gets `header`, then each tensor as it was or as its `parts` say.

    A part is bytes, or a slice of the tensor's own bytes.
    """
    old = Header.read(source)
    with source.open("rb") as reader, target.open("wb") as writer:
        writer.write(struct.pack("<Q", len(header)) + header)
        for name, tensor in old.tensors.items():
            begin = old.begin + tensor["data_offsets"][0]
            for part in parts.get(name, [slice(0, _length(tensor))]):
                if isinstance(part, slice):
                    writer.writelines(_read(reader, begin + part.start, part.stop - part.start))
                else:
                    writer.write(part)
    return digest(source)


def row_bytes(header: Header, name: str) -> int:
    """Bytes of one row."""
    tensor = header.tensors[name]
    return _length(tensor) // tensor["shape"][0]


def stored_rows(path: Path, header: Header, name: str, first: int, last: int) -> bytes:
    """Bytes of the rows [first, last) of a tensor, as far as it has them."""
    tensor = header.tensors[name]
    size, last = row_bytes(header, name), min(last, tensor["shape"][0])
    with path.open("rb") as file:
        return b"".join(_read(file, header.begin + tensor["data_offsets"][0] + first * size, (last - first) * size))


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _length(tensor: Mapping[str, Any]) -> int:
    return tensor["data_offsets"][1] - tensor["data_offsets"][0]


def _read(file: BinaryIO, begin: int, length: int) -> Iterator[bytes]:
    file.seek(begin)
    while length > 0:
        data = file.read(min(CHUNK, length))
        if not data:
            raise ModelError(found="a safetensors file that ends early", expected="a whole file", do="fetch it anew")
        length -= len(data)
        yield data
