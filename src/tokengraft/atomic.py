"""Files that are whole or absent: temporary file beside the place, fsync, rename."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokengraft.errors import RunFolderError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or a folder that cannot be written into a message that says so.

    Raises:
        RunFolderError: the operating system refused to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunFolderError(
                found=f"no space left while writing {path}",
                expected="room for the run's files",
                do="free some space and start the same command again: finished stages are kept",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise RunFolderError(
                found=f"{path} cannot be written: {error.strerror}",
                expected="a folder that you may write to",
                do="choose another place with --out",
            ) from error
        raise


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a temporary file, then moves it to `path`; at no moment does `path` hold half of it."""
    temporary = path.with_name(f".{path.name}.tmp")
    with storage_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all."""
    write_with(path, lambda temporary: _write(temporary, text))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes bytes."""

    def write(place: Path) -> None:
        place.write_bytes(data)

    write_with(path, write)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON with a space of indentation, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_jsonl(path: Path, rows: Iterator[Any]) -> None:
    """Writes one JSON value a line, whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill: it takes the place of `path` when the block ends well, and vanishes when it does not."""
    temporary = path.with_name(f".{path.name}.tmp")
    with storage_errors(path):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for entry in temporary.rglob("*"):
                if entry.is_file():
                    _sync(entry)
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    # Lone surrogates can come from a corpus' own tests; they are kept as escapes rather than losing the file.
    path.write_bytes(text.encode("utf-8", errors="backslashreplace"))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
