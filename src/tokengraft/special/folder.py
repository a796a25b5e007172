"""Control tokens in a model folder: what is written, with a record of the way back."""

import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.errors import RunFolderError, TokenizerError
from tokengraft.model.checks import INDEX
from tokengraft.special.graft import Grafted
from tokengraft.special.plan import Plan
from tokengraft.special.settings import changed_config, changed_generation
from tokengraft.special.stored import packed, tables_in_files, write_tables
from tokengraft.special.textdelta import way_back, written_like
from tokengraft.tokenizer import TokenizerFile
from tokengraft.tokenizer.extended import RECORD as EXTENSION
from tokengraft.tokenizer.sources import CONFIG, DOCUMENT

RECORD = "tokengraft_special.json"
"""Stands in the folder: what was added, and how each file is brought back."""

FORMAT = 1
GENERATION = "generation_config.json"


def write(source: Path, place: Path, plan: Plan, model: Any, done: Grafted, summary: Mapping[str, Any]) -> None:
    """Fills `place`, an empty folder, with the model of `source` and its new tokens.

    Raises:
        ModelError: a table has another name in the files than in the model.
    """
    tables = tables_in_files(source, model, plan)
    weights = {name: write_tables(source / name, place / name, parts, plan, done) for name, parts in tables.items()}
    texts = {**changed_texts(source, plan, done), **_index(source, sum(entry["grown"] for entry in weights.values()))}
    dropped = {name: data for name, data in plan.base.binaries.items() if name not in plan.file.binaries}
    copy(source, place, {*texts, *tables, *dropped, RECORD})
    for name, data in texts.items():
        atomic.write_bytes(place / name, data)
    addition = {
        **summary,
        "files": {name: _back(source / name, data) for name, data in texts.items()},
        "dropped": {name: packed(data) for name, data in dropped.items()},
        "weights": weights,
    }
    atomic.write_json(place / RECORD, {"format": FORMAT, "additions": [*additions(source), addition]})


def additions(folder: Path) -> list[dict[str, Any]]:
    """What was added to a folder, the first addition first; empty where it has no record."""
    record = folder / RECORD
    return json.loads(record.read_text(encoding="utf-8"))["additions"] if record.is_file() else []


def changed_texts(source: Path, plan: Plan, done: Grafted) -> dict[str, bytes]:
    """Every small file that changes, by its path in the folder."""
    texts = {DOCUMENT: plan.file.document, CONFIG: plan.file.config}
    changed = {name: _like(source / name, value) for name, value in texts.items() if value}
    for name, text in plan.file.companions.items():
        if plan.base.companions.get(name) != text:
            changed[name] = text.encode("utf-8")
    changed |= {name: data for name, data in plan.file.binaries.items() if plan.base.binaries.get(name) != data}
    if plan.extension is not None and plan.ids:
        changed[EXTENSION] = (json.dumps(plan.extension.record(), ensure_ascii=False, indent=1) + "\n").encode("utf-8")
    changed["config.json"] = _like(source / "config.json", _config(source, plan, done.rows_after))
    before = json.loads(_text(source / GENERATION, "{}"))
    new = changed_generation(before, plan.role_ids, done.suppressed, plan.ids)
    if new:
        changed[GENERATION] = _like(source / GENERATION, {**before, **new})
    return changed


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which then takes the place of the folder `path`.

    Unlike `atomic.folder`, the old one is moved aside before the new one comes, and deleted last: a machine that stops
    at any moment leaves one of the two whole.
    """
    temporary, aside = (path.with_name(f".{path.name}.{end}") for end in ("new", "old"))
    for left in (temporary, aside):
        if left.exists() and not path.exists():
            raise RunFolderError(
                found=f"{left} from a stopped change, and no {path}", expected="the model", do=f"rename it to {path}"
            )
        shutil.rmtree(left, ignore_errors=True)
    try:
        with atomic.folder(temporary) as place:
            yield place
        if path.exists():
            path.rename(aside)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def copy(source: Path, place: Path, skipped: Collection[str]) -> None:
    """Copies the files of a folder but those `skipped`."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if not path.is_file() or name in skipped:
            continue
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def read_tokenizer(source: Path, tokenizer: Any = None) -> TokenizerFile:
    """The tokenizer of a model folder, or the one given beside it.

    Raises:
        TokenizerError: the folder has none.
    """
    if tokenizer is None and not (source / DOCUMENT).is_file():
        raise TokenizerError(
            found=f"{source} without {DOCUMENT}: a model without its tokenizer",
            expected="the tokenizer that the model was trained with",
            do="name it with --tokenizer",
        )
    return TokenizerFile.load(tokenizer if tokenizer is not None else source)


def _config(source: Path, plan: Plan, rows: int) -> dict[str, Any]:
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    changed = changed_config(plan.role_ids, rows)
    inner = config.get("text_config")
    if isinstance(inner, dict):
        nested = {name: value for name, value in changed.items() if name not in config}
        above = {name: value for name, value in changed.items() if name in config}
        return {**config, **above, "text_config": {**inner, **changed, **nested}}
    return {**config, **changed}


def _index(source: Path, grown: int) -> dict[str, bytes]:
    """The list of sharded weights, which says how large they are together."""
    path = source / INDEX
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    metadata = dict(value.get("metadata") or {})
    if "total_size" in metadata:
        metadata["total_size"] += grown
        value = {**value, "metadata": metadata}
    return {INDEX: _like(path, value)}


def _back(path: Path, data: bytes) -> dict[str, Any] | None:
    return way_back(data, path.read_bytes()) if path.is_file() else None


def _like(path: Path, value: Any) -> bytes:
    return written_like(_text(path, "{\n  \n}\n"), value).encode("utf-8")


def _text(path: Path, absent: str) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else absent
