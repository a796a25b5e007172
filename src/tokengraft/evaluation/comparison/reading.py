"""What a run has to compare: outcomes of code problems, and sums by held-out document."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokengraft.errors import RunFolderError
from tokengraft.evaluation.code_tasks.results import KIND

RESULTS, METRICS, DETAILS, CODE = "results.json", "metrics.json", "evaluation", "code"
PARTS = ("domain", "general")
Documents = Mapping[str, tuple[float, float]]
"""For each document the nats that the model spends on it, and its bytes."""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One run, as far as it can be compared."""

    name: str
    tasks: Mapping[str, Mapping[str, list[bool]]] = field(default_factory=dict)
    """For each code benchmark, for each problem, whether each sample passed."""
    texts: Mapping[str, Documents] = field(default_factory=dict)
    """For `domain` and `general` text the documents."""
    folder: Path | None = None
    """Where the figures are from."""
    model: str | None = None
    """Which of the folder's models it is; None: no texts were measured there."""


def read_figures(places: Iterable[str]) -> list[RunFigures]:
    """The runs in the folders; `FOLDER:MODEL` is one model of a run that measured several, else its last.

    Folders are those of `code-tasks`, and those of `expand` and `eval`; one folder may be both. One folder alone stands
    for all models that were measured in it.

    Raises:
        RunFolderError: a folder is not there, holds nothing that can be compared, or a file in it is broken.
    """
    wanted = [_split(place) for place in places]
    if len(wanted) == 1 and wanted[0][1] is None:
        [(folder, _)] = wanted
        return [_read(folder, model, model) for model in _models(folder)] or [_read(folder, None, folder.name)]
    names = _names([(folder, model) for folder, model in wanted])
    return [_read(folder, model, name) for (folder, model), name in zip(wanted, names, strict=True)]


def _split(place: str) -> tuple[Path, str | None]:
    path = Path(place).expanduser()
    if path.exists():
        return (path.parent if path.is_file() else path), None
    folder, colon, model = place.rpartition(":")
    if colon and Path(folder).expanduser().is_dir():
        return Path(folder).expanduser(), model
    raise RunFolderError(found=f"no folder {place}", expected="the folder of a run", do="check the path")


def _names(places: list[tuple[Path, str | None]]) -> list[str]:
    """As few of the last parts of each path as tell the runs apart."""
    whole = [[*folder.resolve().parts, *([model] if model else [])] for folder, model in places]
    for count in range(1, max(map(len, whole), default=0) + 1):
        names = ["/".join(parts[-count:]) for parts in whole]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(parts[-1:])} ({place})" for place, parts in enumerate(whole, start=1)]


def _read(folder: Path, model: str | None, name: str) -> RunFigures:
    metrics = _json(folder / METRICS)
    chosen = model or next(reversed(_measured(metrics)), None)
    tasks = _tasks(folder / RESULTS) if model is None else {}
    if chosen is not None:
        tasks |= _tasks(folder / CODE / chosen / RESULTS)
    texts = _texts(folder, chosen)
    if not tasks and not texts:
        raise RunFolderError(
            found=f"{folder}{f' and no model {model} in it' if model else ''}: nothing that can be compared",
            expected=f"{RESULTS} of `tokengraft code-tasks`, or {METRICS} and {DETAILS}/ of `tokengraft eval`",
            do="evaluate the model first",
        )
    return RunFigures(name, tasks, texts, folder, chosen)


def _models(folder: Path) -> list[str]:
    """The models that were measured in a folder and left figures to compare."""
    found = _measured(_json(folder / METRICS))
    return [name for name in found if any(path.is_file() for path in (
        folder / DETAILS / f"{name}.json", folder / CODE / name / RESULTS
    ))]  # fmt: skip


def _tasks(path: Path) -> dict[str, dict[str, list[bool]]]:
    found = _json(path)
    if found is None:
        return {}
    if found.get("kind") != KIND:
        raise _broken(path, f"results of the kind {found.get('kind')!r}")
    try:
        return {
            str(task["task"]): {str(key): [bool(each) for each in row] for key, row in task["outcomes"].items()}
            for task in found["tasks"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error


def _texts(folder: Path, chosen: str | None) -> dict[str, Documents]:
    detail = _json(folder / DETAILS / f"{chosen}.json") if chosen else None
    if detail is None:
        return {}
    try:
        parts = {part: detail[part]["documents"] for part in PARTS if detail.get(part)}
        return {part: _documents(documents) for part, documents in parts.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(folder / DETAILS / f"{chosen}.json", f"{type(error).__name__}: {error}") from error


def _measured(metrics: Mapping[str, Any] | None) -> list[str]:
    """Names of the models in their order."""
    models = (metrics or {}).get("models") or []
    return [str(model["name"]) for model in models if isinstance(model, Mapping) and "name" in model]


def _documents(columns: Mapping[str, Any]) -> Documents:
    names = columns.get("name") or range(len(columns["bytes"]))
    rows = zip(names, columns["nats"], columns["bytes"], strict=True)
    return {str(name): (float(nats), float(size)) for name, nats, size in rows if size}


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(value, dict):
        raise _broken(path, "no JSON mapping")
    return value


def _broken(path: Path, what: str) -> RunFolderError:
    return RunFolderError(found=f"{path}: {what}", expected="a file that tokengraft wrote", do="evaluate the run again")
