"""A patch: one file that makes the extended model out of a fresh copy of the base.

A zip archive of `patch.json` (what the base must be, and the changes of its JSON files), `rows.safetensors` (changed
rows, and tensors that changed as a whole), and files that the base does not have.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import save_torch_state_dict, snapshot_download
from safetensors.torch import load, save
from torch import Tensor

from tokengraft import atomic
from tokengraft.errors import ExportError
from tokengraft.exporting.delta import applied, difference
from tokengraft.exporting.tensors import Rows, differing, fingerprint, tensor, weights

FORMAT = 1
NAME = "tokengraft.patch"
ABOUT, ROWS, FILES = "patch.json", "rows.safetensors", "files/"
PLACES, VALUES, WHOLE = "places ", "values ", "whole "
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")


def write_patch(base: str, model: Path, path: Path) -> None:
    """Writes what turns the base into the model in the folder `model`.

    Raises:
        ExportError: the base has no safetensors.
    """
    before, after = weights(base), weights(model)
    tensors, heights = _packed(differing(before, after))
    documents, files = _changes(_folder(base), model)
    about = {
        "format": FORMAT,
        "base": base,
        "base_sha256": fingerprint(before),
        "result_sha256": fingerprint(after),
        "heights": heights,
        "gone": sorted(before.keys() - after.keys()),
        "documents": documents,
        "sha256": {name: _digest(model / name) for name in [*documents, *files]},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ABOUT, json.dumps(about, ensure_ascii=False))
        archive.writestr(ROWS, save(tensors))
        for name in files:
            archive.write(model / name, FILES + name)


def apply_patch(patch: Path, base: str, out: Path) -> Path:
    """The folder `out` with the extended model, bit for bit the one that the patch was made from.

    `patch` is the file, or the folder that `export` wrote.

    Raises:
        ExportError: it is no patch, it is for another base, or what came out is not what it should be.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(found=f"{out}, which holds something", expected="a new place", do="choose another --out")
    about, rows, files = _read(patch / NAME if patch.is_dir() else patch)
    before = weights(base)
    if fingerprint(before) != about["base_sha256"]:
        raise ExportError(
            found=f"{base}, whose weights are not those that the patch was made for",
            expected=f"an untouched copy of {about['base']}",
            do="give that base, in the dtype in which it was published",
        )
    with atomic.folder(out) as place:
        save_torch_state_dict(_result(before, about, rows), place, metadata={"format": "pt"}, max_shard_size="50GB")
        for name, change in about["documents"].items():
            source = json.loads((_folder(base) / name).read_text(encoding="utf-8"))
            _write_like(place / name, applied(source, change["change"]), change["indent"], end=change["end"])
        for name, data in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        _require(place, about)
    return out


def base_of(patch: Path) -> str:
    """The base that a patch names: the folder or hub id that the run began with.

    Raises:
        ExportError: it is no patch.
    """
    return _read(patch / NAME if patch.is_dir() else patch)[0]["base"]


def _packed(changes: Iterator[tuple[str, Rows | Tensor]]) -> tuple[dict[str, Tensor], dict[str, int]]:
    tensors, heights = {}, {}
    for name, change in changes:
        if isinstance(change, Rows):
            tensors[PLACES + name], tensors[VALUES + name] = change.places, change.values.contiguous()
            heights[name] = change.height
        else:
            tensors[WHOLE + name] = change.contiguous()
    return tensors, heights


def _result(before: Mapping[str, Path], about: Mapping[str, Any], rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    result = {name: tensor(before, name) for name in before if name not in about["gone"]}
    result |= {name.removeprefix(WHOLE): value for name, value in rows.items() if name.startswith(WHOLE)}
    for name, height in about["heights"].items():
        result[name] = Rows(rows[PLACES + name], rows[VALUES + name], height).on(result[name])
    return result


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a JSON file is written: its indentation, and whether a newline ends it."""

    indent: int | None
    end: str

    @classmethod
    def of(cls, text: str, value: Any) -> "_Layout | None":
        for indent in (2, 1, 4, None):
            for end in ("\n", ""):
                if json.dumps(value, ensure_ascii=False, indent=indent) + end == text:
                    return cls(indent, end)
        return None


def _changes(base: Path, model: Path) -> tuple[dict[str, Any], list[str]]:
    """Changes of JSON files that the base has too, and names of files that are kept whole."""
    documents, files = {}, []
    for path in sorted(model.rglob("*")):
        name = path.relative_to(model).as_posix()
        if not path.is_file() or any(path.match(pattern) for pattern in WEIGHTS):
            continue
        change = _change(base / name, path) if path.suffix == ".json" and (base / name).is_file() else None
        if change is None:
            files.append(name)
        else:
            documents[name] = change
    return documents, files


def _change(before: Path, after: Path) -> dict[str, Any] | None:
    text = after.read_text(encoding="utf-8")
    value = json.loads(text)
    layout = _Layout.of(text, value)
    if layout is None:
        return None
    change = difference(json.loads(before.read_text(encoding="utf-8")), value)
    return {"change": change, "indent": layout.indent, "end": layout.end}


def _write_like(path: Path, value: Any, indent: int | None, *, end: str) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + end, encoding="utf-8")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, bytes]]:
    refusal = ExportError(
        found=f"{path}, which is no patch", expected="a file that export --format patch wrote", do="check the path"
    )
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(ABOUT))
            files = {name.removeprefix(FILES): archive.read(name) for name in archive.namelist() if _is_file(name)}
            rows = load(archive.read(ROWS))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise refusal from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise refusal
    return about, rows, files


def _is_file(name: str) -> bool:
    """Whether a member is a file of the model; a name that would leave the folder is none."""
    return name.startswith(FILES) and ".." not in Path(name).parts and not Path(name.removeprefix(FILES)).is_absolute()


def _require(place: Path, about: Mapping[str, Any]) -> None:
    wrong = [name for name, digest in about["sha256"].items() if _digest(place / name) != digest]
    if wrong or fingerprint(weights(place)) != about["result_sha256"]:
        raise ExportError(
            found=f"{wrong[0] if wrong else 'weights'} other than those that the patch was made from",
            expected="the same bytes",
            do="give the untouched base: its settings or tokenizer differ from those that the patch knows",
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def _folder(base: str) -> Path:
    folder = Path(base)
    return folder if folder.is_dir() else Path(snapshot_download(base, local_files_only=True))
