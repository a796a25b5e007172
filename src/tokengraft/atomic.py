"""Files that are whole or absent: temporary file beside the place, fsync, rename, fsync of the folder."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from tokengraft.errors import RunFolderError

FULL = {errno.ENOSPC, errno.EDQUOT}
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
UNSUITABLE = {errno.ENAMETOOLONG, errno.EFBIG, errno.EIO}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or a place that cannot be written to into a message that says so.

    Raises:
        RunFolderError: the operating system refused to write.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        refusal = _refusal(path, _number(error))
        if refusal is None:
            raise
        raise refusal from error


def _number(error: OSError | SafetensorError) -> int | None:
    """The operating system's number; safetensors only writes it into its message: "… (os error 28)"."""
    if isinstance(error, OSError):
        return error.errno
    said = re.search(r"\(os error (\d+)\)", str(error))
    return int(said[1]) if said else None


def _refusal(path: Path, number: int | None) -> RunFolderError | None:
    if number in FULL:
        return RunFolderError(
            found=f"no space left while writing {path}",
            expected="room for the run's files",
            do="free some space and start the same command again: finished stages are kept",
        )
    if number in REFUSED | UNSUITABLE:
        return RunFolderError(
            found=f"{path} cannot be written: {os.strerror(number)}",
            expected="a folder that you may write to" if number in REFUSED else "a place that can hold such a file",
            do="choose another place with --out",
        )
    return None


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` fill a temporary file, then moves it to `path`; at no moment does `path` hold half of it."""
    temporary = path.with_name(f".{path.name}.tmp")
    with storage_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            _share(temporary)
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
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


def require_unused(path: Path) -> None:
    """Returns where a folder can be made without anything being lost: nothing is there, or an empty folder.

    Raises:
        RunFolderError: something is there.
    """
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise RunFolderError(
            found=f"{path}, which holds something already",
            expected="a folder that is not there yet",
            do="choose another place with --out",
        )


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
                    _share(entry)
                (_sync_folder if entry.is_dir() else _sync)(entry)
            _sync_folder(temporary)
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    # Lone surrogates can come from a corpus' own tests; they are kept as escapes rather than losing the file.
    path.write_bytes(text.encode("utf-8", errors="backslashreplace"))


def _share(path: Path) -> None:
    """Gives a file the rights of any new file: safetensors writes for the owner alone, whatever the umask says."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Makes names in a folder last, where the system can: Windows and some network drives cannot."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
