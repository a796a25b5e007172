"""Training text as windows of extended ids, none longer than the model can read in the original tokenization."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Decomposes(Protocol):
    """Pieces of ids: see `tokengraft.tokenizer.Decomposition`."""

    @property
    def lengths(self) -> Ids: ...  # noqa: D102
    def flatten(self, ids: Ids) -> Ids: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of text in both tokenizations, each begun with the model's own prefix (BOS)."""

    student: Ids
    teacher: Ids
    ends: Ids
    """For each student position, the teacher position whose prefix ends at the same byte."""
    first_new: int
    """Student position of the first new token; the window's length if it has none."""
    learned: Flags | None = None
    """Which student ids are learned from, as next ids; None: all but the first."""
    learned_base: Flags | None = None
    """The same for the teacher's ids: the same bytes."""

    def in_base(self) -> "Window":
        """The same text as the base alone reads it: student and teacher are one."""
        ids = self.teacher
        return Window(ids, ids, np.arange(len(ids)), len(ids), self.learned_base, self.learned_base)


def cut_windows(
    ids: Sequence[int], pieces: Decomposes, prefix: Sequence[int], max_length: int, base_size: int
) -> Iterator[Window]:
    """Windows of a document's extended ids, one after the other, at most `max_length` base tokens with their prefix."""
    rest = np.asarray(ids, dtype=np.int64)
    head = np.asarray(prefix, dtype=np.int64)
    room = max_length - len(head)
    ends = np.cumsum(pieces.lengths[rest])
    start = used = 0
    while start < len(rest):
        stop = int(np.searchsorted(ends, used + room, side="right"))
        stop = max(stop, start + 1)
        yield make_window(np.concatenate([head, rest[start:stop]]), pieces, base_size)
        used, start = int(ends[stop - 1]), stop


def make_window(student: Ids, pieces: Decomposes, base_size: int) -> Window:
    """The window of these extended ids."""
    new = np.flatnonzero(student >= base_size)
    return Window(
        student=student,
        teacher=pieces.flatten(student),
        ends=np.cumsum(pieces.lengths[student]) - 1,
        first_new=int(new[0]) if len(new) else len(student),
    )


def collect_windows(
    documents: Iterable[Sequence[int]], pieces: Decomposes, prefix: Sequence[int], max_length: int, base_size: int
) -> list[Window]:
    """Windows of all documents, those of one or two tokens left out: they hold nothing to compare."""
    return [
        window
        for ids in documents
        for window in cut_windows(ids, pieces, prefix, max_length, base_size)
        if len(window.student) > len(prefix) + 1
    ]
