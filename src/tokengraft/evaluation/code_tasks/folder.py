"""The folder of an evaluation: one folder a task in it, and the guard that nothing of two models is mixed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.errors import RunFolderError
from tokengraft.evaluation.code_tasks.data import Task
from tokengraft.evaluation.code_tasks.ledger import Ledger
from tokengraft.evaluation.code_tasks.settings import CodeTasksConfig

IDENTITY = "evaluation.json"


def task_folder(out: Path, task: Task) -> Path:
    """Where the files of a task are."""
    return out / task.name


def identity(task: Task, settings: CodeTasksConfig, model: str, fingerprint: str) -> dict[str, Any]:
    """What must be the same for an evaluation to go on: everything that decides what the model writes."""
    values = asdict(settings)
    names = ("form", "temperature", "top_p", "seed", "backend", "dtype")
    return {
        "model": model,
        "fingerprint": fingerprint,
        "task": task.name,
        "max_new_tokens": settings.max_new_tokens or task.format.max_new_tokens,
        **{name: values[name] for name in names},
    }


def claim(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Writes the identity, or checks that the one there is the same.

    Raises:
        RunFolderError: the folder holds answers of another model, or under other settings.
    """
    path = folder / IDENTITY
    there = read_json(path)
    differing = [name for name in wanted if name != "model" and there and there.get(name) != wanted[name]]
    if differing:
        changed = ", ".join(f"{name} {there.get(name)!r}, now {wanted[name]!r}" for name in differing)
        raise RunFolderError(
            found=f"{folder} with answers of another evaluation: {changed}",
            expected="an empty folder, or the same evaluation stopped before its end",
            do="choose another place with --out",
        )
    if not there:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(path, dict(wanted))


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a file; empty where there is none.

    Raises:
        RunFolderError: the file is broken.
    """
    import json  # noqa: PLC0415

    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(value, dict)
    except (ValueError, AssertionError) as error:
        raise RunFolderError(found=f"{path} is broken", expected="a JSON mapping", do="remove it") from error
    return value


def samples_of(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The answers that are there, by problem and sample."""
    return {(row["task_id"], row["sample"]): row for row in Ledger(folder / "samples.jsonl").rows()}


def write_official(
    folder: Path, task: Task, settings: CodeTasksConfig, answers: Mapping[tuple[str, int], Mapping[str, Any]]
) -> Path | None:
    """The answers as the benchmark's own program reads them; None where it has no such file."""
    name = task.format.official_name(settings.form)
    if name is None:
        return None
    rows: Callable[[], Any] = lambda: (  # noqa: E731
        task.format.official(problem.record, problem.task_id, answers[problem.task_id, sample]["solution"])
        for problem in task.problems
        for sample in range(settings.samples)
        if (problem.task_id, sample) in answers
    )
    atomic.write_jsonl(folder / name, rows())
    return folder / name
