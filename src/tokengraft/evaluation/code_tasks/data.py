"""Problems from a file or from the hub, and everything that can be wrong with them."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.problems import Problem, PromptForm, Record, TaskFormat, formats

SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark that was read."""

    name: str
    format: TaskFormat
    problems: list[Problem]
    unreadable: dict[str, str] = field(default_factory=dict)
    """Records that are no problem of this format, and why."""
    source: str = ""


def load_task(
    name: str, *, data: str | None = None, limit: int | None = None, asked: PromptForm = "completion"
) -> Task:
    """The benchmark that a name stands for: a registered one, `name=FILE`, or a file whose format shows.

    A record that cannot be asked in the form `asked` is unreadable.

    Raises:
        ConfigError: nothing of that name, no such file, or a file of another format.
    """
    kind, place = _named(name, data)
    if place is None:
        assert kind is not None
        form = formats.get(kind)()
        source, records = f"hub:{form.hub.name if form.hub else ''}", _from_hub(kind, form)
    else:
        source, records = place.name, _from_file(place)
        form = formats.get(kind)() if kind else _recognised(place)
    title = kind or _stem(place)
    return _task(title, form, source, ((line, record, _fault(form, record, asked)) for line, record in records), limit)


def _named(name: str, data: str | None) -> tuple[str | None, Path | None]:
    """The format's name, where it is known, and the file, where there is one."""
    kind, equals, file = name.partition("=")
    if equals:
        formats.get(kind)
        return kind, _existing(Path(file).expanduser())
    if name.endswith(SUFFIXES):
        return None, _existing(Path(name).expanduser())
    formats.get(name)
    if data is None:
        return name, None
    return name, _in_folder(name, Path(data).expanduser())


def _in_folder(name: str, folder: Path) -> Path:
    found = [path for path in sorted(folder.glob("*")) if path.name.lower() in {name + suffix for suffix in SUFFIXES}]
    if not found:
        there = ", ".join(path.name for path in sorted(folder.glob("*.jsonl*"))[:20]) or "no .jsonl file"
        raise ConfigError(
            found=f"{folder} with {there}",
            expected=f"{name}.jsonl or {name}.jsonl.gz in it, in any case",
            do=f"write {name}=FILE, or leave --data out to take it from the hub",
        )
    return found[0]


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(found=f"no file {path}", expected="a .jsonl or .jsonl.gz file", do="check the path")
    return path


def _stem(path: Path | None) -> str:
    assert path is not None
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def _from_file(path: Path) -> Iterator[tuple[int, Record | str]]:
    """Line numbers and records; of a line that is no JSON object, why not."""
    opened = gzip.open if path.name.endswith(".gz") else open
    try:
        with opened(path, "rb") as handle:
            for line, text in enumerate(handle, start=1):
                if text.strip():
                    yield line, _record(text)
    except (OSError, EOFError) as error:
        raise ConfigError(
            found=f"{path}: {error}", expected="JSON Lines, plain or gzip", do="check that the file is whole"
        ) from error


def _record(text: bytes) -> Record | str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    return value if isinstance(value, dict) else f"no JSON object but {type(value).__name__}"


def _from_hub(name: str, form: TaskFormat) -> Iterator[tuple[int, Record | str]]:
    if form.hub is None:
        raise ConfigError(
            found=f"the task {name} without a file", expected=f"{name}=FILE.jsonl", do="name the file that holds it"
        )
    try:
        import datasets  # noqa: PLC0415 - two seconds, and only here

        rows: Any = datasets.load_dataset(form.hub.name, form.hub.subset, split=form.hub.split)
        yield from enumerate(rows, start=1)
    except Exception as error:  # errors of httpx, fsspec, Arrow and the hub's own, which share no class
        raise ConfigError(
            found=f"hub dataset {form.hub.name}: {type(error).__name__}: {error}",
            expected="a connection to the hub, or the dataset in its cache",
            do=f"write {name}=FILE.jsonl for a local copy, or --data FOLDER",
        ) from error


def _recognised(path: Path) -> TaskFormat:
    """The format that claims the file's first record."""
    first = next((record for _, record in _from_file(path) if isinstance(record, dict)), {})
    for entry in formats:
        if entry.function.claims(first):
            return entry.function()
    known = "; ".join(f"{entry.name}: {', '.join(sorted(entry.function.fields))}" for entry in formats)
    raise ConfigError(
        found=f"{path}: a first record with {', '.join(map(str, list(first)[:20])) or 'no fields'}",
        expected=f"the fields of a format ({known})",
        do="rename the fields to `prompt` and `test`, which any problem can have",
    )


def _task(
    name: str, form: TaskFormat, source: str, records: Iterator[tuple[int, Record | str, str | None]], limit: int | None
) -> Task:
    problems: dict[str, Problem] = {}
    unreadable: dict[str, str] = {}
    for line, record, reason in records:
        if reason is not None or isinstance(record, str):
            unreadable[f"line {line}"] = reason or str(record)
        elif form.belongs(record):
            identity = form.task_id(record, line)
            if identity in problems:
                unreadable[f"line {line}"] = f"a second problem named {identity}"
            elif limit is None or len(problems) < limit:
                problems[identity] = Problem(identity, record)
    if not problems:
        reason = next(iter(unreadable.values()), "no record")
        raise ConfigError(
            found=f"{source}: no problem of the format {name} ({reason})",
            expected=f"records with {', '.join(sorted(form.fields))}",
            do="check that the file is of that benchmark, or name another format as name=FILE",
        )
    return Task(name, form, list(problems.values()), unreadable, source)


def _fault(form: TaskFormat, record: Record | str, asked: PromptForm) -> str | None:
    """Why a record cannot be used; None where it can."""
    if isinstance(record, str):
        return record
    missing = sorted(form.fields - set(record))
    if missing:
        return f"no field {', '.join(missing)}"
    try:
        if form.belongs(record):
            prompt = form.prompt(record, asked)
            for text in (prompt.text, prompt.prefill, *(content for _, content in prompt.turns)):
                text.encode()  # no tokenizer takes a lone surrogate
            form.sources(record)
            form.reference(record)
            form.program(record, "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"fields of another kind: {type(error).__name__}: {error}"
    return None
