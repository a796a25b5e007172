"""The run folder: what a run wrote, from which settings, and how far it came.

A stage is done when `run.json` says so, and `run.json` says so only after the stage's files are in place. A killed run
therefore starts again at the first unfinished stage, and inside the distillation at its last checkpoint.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as place, RunFolder.open(Path(place) / "run", {"seed": 0}) as run:
...     run.finish("tokens", {"added": 3})
...     run.facts("tokens"), run.facts("distill")
({'added': 3}, None)
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from tokengraft import atomic
from tokengraft.errors import RunFolderError

VERSIONED = ("tokengraft", "torch", "transformers", "tokenizers", "numpy", "safetensors")
IGNORED_ON_RESUME = ("out",)
NEEDED = frozenset({"settings", "stages", "hashes"})
"""Members without which a run.json is not that of a run."""


class RunFolder:
    """One run's folder, locked while it is open."""

    def __init__(self, path: Path, state: dict[str, Any]) -> None:
        self.path = path
        self._state = state
        self._opened = time.monotonic()
        self._earlier = sum(self.seconds().values())

    @classmethod
    @contextmanager
    def open(cls, path: Path, config: Mapping[str, Any]) -> Iterator["RunFolder"]:
        """The folder at `path`, made if it is not there, or taken up where an earlier run of the same settings stopped.

        Raises:
            RunFolderError: the folder holds something else, a run of other settings, or a run that is going on now.
        """
        with atomic.storage_errors(path):
            _refuse_foreign(path)
            path.mkdir(parents=True, exist_ok=True)
        # As JSON gives them back, so that they can be compared with those of an earlier start.
        settings = json.loads(json.dumps(dict(config)))
        with _locked(path):
            state = _read_state(path)
            if state is None:
                state = {
                    "settings": settings, "versions": versions(), "hardware": hardware(), "stages": {}, "hashes": {},
                }  # fmt: skip
            else:
                _refuse_other_settings(path, state["settings"], settings)
            run = cls(path, state)
            # run.json comes first: it is what tells this folder from one that somebody else filled.
            run._write_state()
            if not (path / "config.yaml").exists():
                atomic.write_text(path / "config.yaml", yaml.safe_dump(state["settings"], sort_keys=False))
            yield run

    @classmethod
    def read(cls, path: Path) -> "RunFolder":
        """A run folder to look at.

        Raises:
            RunFolderError: there is no run in that folder.
        """
        state = _read_state(path)
        if state is None:
            raise RunFolderError(
                found=f"no run.json in {path}",
                expected="the folder of a run",
                do="give the folder that --out named when the run was made",
            )
        return cls(path, state)

    @property
    def state(self) -> Mapping[str, Any]:
        """Settings, versions, hardware, finished stages with their facts and seconds, and hashes of the files."""
        return self._state

    def facts(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage noted; None while it is not finished."""
        entry = self._state["stages"].get(stage)
        return None if entry is None else entry["facts"]

    def finish(
        self, stage: str, facts: Mapping[str, Any], *, seconds: float = 0.0, files: tuple[str, ...] = ()
    ) -> None:
        """Notes that a stage is done, with its facts and the SHA-256 of each file that it wrote."""
        for name in files:
            self._state["hashes"].update(_hashes(self.path, name))
        self._state["stages"][stage] = {"facts": dict(facts), "seconds": round(seconds, 3)}
        self._write_state()

    def has(self, stage: str, *files: str) -> bool:
        """Whether a stage is finished and its files are still there."""
        return self.facts(stage) is not None and all((self.path / name).exists() for name in files)

    @contextmanager
    def stage(self, name: str, *files: str) -> Iterator[dict[str, Any]]:
        """A dictionary to fill with the stage's facts; the stage is finished when the block ends well."""
        begun = time.monotonic()
        facts: dict[str, Any] = {}
        yield facts
        self.finish(name, facts, seconds=time.monotonic() - begun, files=files)

    def seconds(self) -> dict[str, float]:
        """Seconds of each finished stage, in the order in which they ended."""
        return {name: entry["seconds"] for name, entry in self._state["stages"].items()}

    def elapsed(self) -> float:
        """Seconds of this start so far, and those of the stages that earlier starts finished."""
        return round(time.monotonic() - self._opened + self._earlier, 3)

    def log(self, event: str, **values: Any) -> None:
        """Appends one event to `log.jsonl`."""
        with atomic.storage_errors(self.path / "log.jsonl"), (self.path / "log.jsonl").open("a") as handle:
            handle.write(json.dumps({"event": event, **values}) + "\n")

    def events(self, event: str) -> list[dict[str, Any]]:
        """Events of one kind in `log.jsonl`; a last line that a kill cut short is passed over."""
        return [row for row in self._log_rows() if row["event"] == event]

    def rewind_log(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drops the events that `keep` refuses: those after the checkpoint from which a run goes on."""
        atomic.write_jsonl(self.path / "log.jsonl", iter([row for row in self._log_rows() if keep(row)]))

    def _log_rows(self) -> Iterator[dict[str, Any]]:
        path = self.path / "log.jsonl"
        if not path.exists():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue

    def _write_state(self) -> None:
        atomic.write_json(self.path / "run.json", self._state)


def versions() -> dict[str, str]:
    """Versions of Python, of tokengraft and of the libraries that decide a result."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores and memory (GiB) of this machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {"cpu": _processor(), "cores": os.cpu_count(), "memory_gib": round(pages / 2**30, 1), "gpu": None}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise RunFolderError(
            found=f"{path} is a file", expected="a folder, or nothing", do="choose another place with --out"
        )
    if not path.is_dir() or (path / "run.json").exists():
        return
    others = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    if others:
        raise RunFolderError(
            found=f"{path} holds something else ({', '.join(others[:3])}{', …' if len(others) > 3 else ''})",
            expected="an empty folder, none at all, or the folder of a run to go on with",
            do="choose another place with --out",
        )


def _read_state(path: Path) -> dict[str, Any] | None:
    try:
        state = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _no_state(path, f"cannot be read: {error}") from error
    if not isinstance(state, dict) or not state.keys() >= NEEDED:
        raise _no_state(path, f"lacks {', '.join(sorted(NEEDED.difference(state if isinstance(state, dict) else ())))}")
    return state


def _no_state(path: Path, fault: str) -> RunFolderError:
    return RunFolderError(
        found=f"{path / 'run.json'} {fault}",
        expected="the run.json that a run wrote",
        do="choose another place with --out",
    )


def _refuse_other_settings(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [name for name in _changed(before, now) if name not in IGNORED_ON_RESUME]
    if changed:
        raise RunFolderError(
            found=f"{path} holds a run with other settings ({', '.join(changed)})",
            expected="the settings that the run was begun with",
            do="choose another place with --out, or give the same settings to go on",
        )


def _changed(before: Any, now: Any, where: str = "") -> Iterator[str]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        if before != now:
            yield where
        return
    for name in sorted({*before, *now}):
        yield from _changed(before.get(name), now.get(name), f"{where}.{name}" if where else name)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path / ".lock")
    try:
        with atomic.storage_errors(path):
            lock.acquire(timeout=0)
    except Timeout as error:
        raise RunFolderError(
            found=f"{path} is in use by a run that is going on now",
            expected="a folder that no other run writes to",
            do="wait for that run, or choose another place with --out",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _hashes(root: Path, name: str) -> Iterator[tuple[str, str]]:
    place = root / name
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file():
            with path.open("rb") as handle:
                yield path.relative_to(root).as_posix(), hashlib.file_digest(handle, "sha256").hexdigest()
