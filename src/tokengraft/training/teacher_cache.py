"""The teacher's answers, computed once and read from disk in every later epoch, method and seed.

`states`: final hidden states, in the dtype that the model computes in; exact. `top-k`: the largest logits with the rest
as one event; 20 times smaller at d 4 096. A file is named by a hash of the model's old weights, of the texts in both
tokenizations and of what is kept, so a cache of anything else is another file.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tokengraft.errors import RunFolderError
from tokengraft.losses.top_teacher import TopTeacher
from tokengraft.progress import bar, say
from tokengraft.training import processes
from tokengraft.training.batches import PairedBatch, like_lengths, pair
from tokengraft.training.windows import Window

PASS_TOKENS = 4096
"""Base tokens that are read at a time while a cache is made."""

PLAIN = {torch.float32: np.float32, torch.bfloat16: np.int16, torch.float16: np.float16}
"""What numpy calls the bytes of a dtype: it has no bfloat16."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of each position."""

    kind: str
    """`states` or `top-k`."""
    width: int
    """d, or k."""
    dtype: torch.dtype
    everywhere: bool
    """Every place of the teacher's rows; false: the compared ones alone."""
    temperature: float = 1.0

    @property
    def columns(self) -> dict[str, tuple[Any, int]]:
        """Name of each file's array, with its numpy dtype and width."""
        if self.kind == "states":
            return {"states": (PLAIN[self.dtype], self.width)}
        return {"logits": (np.float32, self.width), "ids": (np.int32, self.width), "total": (np.float32, 1)}

    @property
    def bytes_per_position(self) -> int:
        """Size of one position on disk."""
        return sum(np.dtype(kind).itemsize * width for kind, width in self.columns.values())

    def rows(self, window: Window) -> int:
        """Positions that are kept of a window."""
        return len(window.teacher) if self.everywhere else len(window.student) - window.first_new


class TeacherCache:
    """States or logits of some windows, memory-mapped."""

    def __init__(self, folder: Path, kept: Kept, windows: Sequence[Window]) -> None:
        self.kept = kept
        sizes = [kept.rows(window) for window in windows]
        self._starts = dict(zip(map(id, windows), np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self._windows = windows  # numbers of objects hold as long as the objects do
        self._columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in kept.columns}

    def read(self, windows: Sequence[Window], batch: PairedBatch) -> tuple[Tensor | None, TopTeacher | None]:
        """(states at every place of the teacher's rows, flat, zeros where none are kept; the largest logits)."""
        places = [slice(self._starts[id(w)], self._starts[id(w)] + self.kept.rows(w)) for w in windows]
        device = batch.teacher.device
        found = {
            name: torch.from_numpy(np.concatenate([column[place] for place in places])).to(device)
            for name, column in self._columns.items()
        }
        if self.kept.kind == "top-k":
            return None, TopTeacher(found["logits"], found["ids"], found["total"][:, 0])
        states = found["states"].view(self.kept.dtype)
        flat = states.new_zeros(batch.teacher.numel(), self.kept.width)
        flat[_all_places(windows, batch) if self.kept.everywhere else batch.compared_teacher] = states
        return flat, None


Answers = Callable[[PairedBatch], tuple[Tensor, Callable[[Tensor], Tensor]]]
"""Batch → (the teacher's final states at every place, flat; states → its logits over the base vocabulary)."""


def cache_key(weights: str, windows: Iterable[Window], kept: Kept) -> str:
    """Hash of everything that the answers depend on; `weights` is that of the model's."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(
        json.dumps([weights, kept.kind, kept.width, str(kept.dtype), kept.everywhere, kept.temperature]).encode()
    )
    for window in windows:
        digest.update(window.teacher.tobytes())
        digest.update(np.append(window.ends, window.first_new).tobytes())
    return digest.hexdigest()


@torch.no_grad()
def hash_weights(model: Any, base_size: int, tables: Sequence[Tensor]) -> str:
    """Hash of a model's weights: of `tables` the first `base_size` rows, which are those that the teacher has."""
    digest = hashlib.blake2b(digest_size=16)
    own = {id(table) for table in tables}
    for name, value in sorted(model.state_dict(keep_vars=True).items()):
        kept = value[:base_size] if id(value) in own else value
        digest.update(f"{name} {kept.dtype} {tuple(kept.shape)}".encode())
        digest.update(kept.detach().contiguous().cpu().view(torch.uint8).numpy())
    return digest.hexdigest()


def open_cache(
    place: Path, key: str, kept: Kept, windows: Sequence[Window], answers: Answers, limit: float
) -> TeacherCache | None:
    """The cache under `place`, made if it is not there yet; None, and said once, where it would not fit.

    `limit` is in bytes. Of several processes the first one makes it.

    Raises:
        RunFolderError: a folder of that name holds something else.
    """
    folder = place / f"teacher-{key}"
    size = sum(map(kept.rows, windows)) * kept.bytes_per_position
    if not folder.exists():
        said = f"teacher cache: {size / 2**20:.0f} MiB ({kept.kind})"
        if size > limit:
            say(f"{said} is above the limit of {limit / 2**20:.0f} MiB: the teacher is read in every step")
            return None
        say(f"{said} in {place}")
        if processes.is_main() and not _made(folder, key, kept, windows, answers):
            say("teacher cache: no space left; the teacher is read in every step")
        processes.wait()
    if not folder.exists():
        return None
    _check(folder, key)
    return TeacherCache(folder, kept, windows)


def _check(folder: Path, key: str) -> None:
    try:
        found = json.loads((folder / "cache.json").read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError) as error:
        found = f"no key ({type(error).__name__})"
    if found != key:
        raise RunFolderError(
            found=f"{folder}, a teacher cache of {found}",
            expected=f"one of {key}: this model, these texts and settings",
            do="delete that folder, and it is made anew",
        )


def _made(folder: Path, key: str, kept: Kept, windows: Sequence[Window], answers: Answers) -> bool:
    """Whether there was room for it. Written beside its place and renamed: it is whole or absent."""
    work = folder.with_name(f".{folder.name}.new")
    try:
        _remove(work)  # of a start that was killed
        work.mkdir(parents=True)
        _write(work, kept, windows, answers)
        (work / "cache.json").write_text(json.dumps({"key": key, "kind": kept.kind}), encoding="utf-8")
        work.rename(folder)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return False
    finally:
        _remove(work)
    return True


def _remove(work: Path) -> None:
    if work.is_dir():
        for file in work.iterdir():
            file.unlink()
        work.rmdir()


def _write(work: Path, kept: Kept, windows: Sequence[Window], answers: Answers) -> None:
    rows = [kept.rows(window) for window in windows]
    starts = dict(zip(map(id, windows), np.cumsum([0, *rows[:-1]]).tolist(), strict=True))
    columns = {}
    for name, (kind, width) in kept.columns.items():
        file = work / f"{name}.npy"
        columns[name] = np.lib.format.open_memmap(file, "w+", kind, (sum(rows), width))
        _reserve(file)
    with bar(len(windows), "read the teacher", "window") as progress:
        for group in like_lengths(windows, PASS_TOKENS):
            batch = pair(group)
            for name, values in _values(batch, group, kept, answers).items():
                done = 0
                for window in group:
                    count = kept.rows(window)
                    columns[name][starts[id(window)] : starts[id(window)] + count] = values[done : done + count]
                    done += count
            progress.update(len(group))
    for column in columns.values():
        column.flush()


def _reserve(file: Path) -> None:
    """Takes the room now: a full disk is an error here, and a signal that ends the process in a mapped write."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as open_file:
            os.posix_fallocate(open_file.fileno(), 0, file.stat().st_size)


@torch.no_grad()
def _values(batch: PairedBatch, windows: Sequence[Window], kept: Kept, answers: Answers) -> dict[str, Any]:
    flat, logits = answers(batch)
    places = _all_places(windows, batch) if kept.everywhere else batch.compared_teacher
    states = flat[places.to(flat.device)]
    if kept.kind == "states":
        states = states.to(kept.dtype).cpu()
        return {"states": (states.view(torch.int16) if kept.dtype == torch.bfloat16 else states).numpy()}
    parts = [
        TopTeacher.of(logits(states[start : start + 256]), kept.width, kept.temperature)
        for start in range(0, len(states), 256)
    ] or [TopTeacher.of(logits(states), kept.width, kept.temperature)]
    joined = {
        name: torch.cat([getattr(part, name) for part in parts]).cpu().numpy() for name in ("logits", "ids", "total")
    }
    return joined | {"total": joined["total"][:, None]}


def _all_places(windows: Sequence[Window], batch: PairedBatch) -> Tensor:
    width = batch.teacher.shape[1]
    places = [row * width + np.arange(len(window.teacher)) for row, window in enumerate(windows)]
    return torch.from_numpy(np.concatenate(places)).to(batch.teacher.device)
