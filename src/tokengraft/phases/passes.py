"""The two passes over a batch: the frozen model reads its own tokenization, then the new one.

Three ways to the same numbers. `Whole` reads both from the beginning. `Shared` begins the student's pass at its first
new token, behind the teacher's keys and values. `Remembered` takes the teacher's states from a cache and reads, for a
shared prefix, the prefix alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.losses.top_teacher import TopTeacher
from tokengraft.model.layers import states_by_layer
from tokengraft.model.rows import Composed
from tokengraft.model.shared_prefix import KEYWORD, Continued, Recorded, positions_after
from tokengraft.training.batches import PairedBatch, Suffixes, suffixes
from tokengraft.training.profile import part
from tokengraft.training.teacher_cache import TeacherCache
from tokengraft.training.windows import Window

States = dict[int, Float[Tensor, "places d"]]
"""Hidden states by layer; those that the head reads under the largest number."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How far the passes go."""

    layers: frozenset[int]
    """Layers whose states are compared."""
    student_final: bool
    """Whether the student's pass goes on to what the head reads."""
    teacher_final: bool

    @property
    def teacher(self) -> bool:
        """Whether anything of the teacher is asked for."""
        return self.teacher_final or bool(self.layers)


@dataclass(frozen=True, slots=True)
class Read:
    """What both passes gave."""

    student: States
    """At the compared positions."""
    teacher: States
    """At every place of the teacher's rows, flat."""
    before: Float[Tensor, "before d"] | None
    """Final states before each row's first new token; None where the pass did not come so far."""
    top: TopTeacher | None = None
    """The teacher's largest logits at the compared positions, where that is all that was kept of it."""


def whole_length(window: Window) -> int:
    """Base tokens of a window."""
    return len(window.teacher)


def taught_length(window: Window) -> int:
    """Tokens of a window from its first new one on: what a pass with a graph reads behind a shared prefix."""
    return len(window.student) - window.first_new


class Passes(Protocol):
    """A way to read batches."""

    @property
    def length(self) -> Callable[[Window], int]:
        """What windows that are read together should be alike in: padding is read along."""
        ...

    def read(self, batch: PairedBatch, windows: Sequence[Window]) -> Read:
        """Both passes over one batch."""
        ...


@dataclass(frozen=True, slots=True)
class Reader:
    """One pass of the model over some rows, as deep as it is asked for."""

    composed: Composed
    layers: frozenset[int]
    last: int
    """The number of what the head reads."""

    def states(self, ids: Tensor, *, final: bool, **others: Any) -> States:
        """States of the whole rows."""
        if not self.layers:
            return {self.last: self.composed.hidden(ids, **others)}
        return states_by_layer(self.composed.model, self.composed.embed(ids), self.layers, final=final, **others)

    @torch.no_grad()
    def teacher(self, ids: Tensor, *, final: bool, **others: Any) -> States:
        """The same without a graph, flat."""
        with part("teacher"):
            found = self.states(ids, final=final, **others)
        return {number: states.flatten(0, 1) for number, states in found.items()}


@dataclass(frozen=True, slots=True)
class Whole:
    """Both tokenizations from the beginning: for every architecture."""

    reader: Reader
    depth: Depth

    length = staticmethod(whole_length)

    def read(self, batch: PairedBatch, windows: Sequence[Window]) -> Read:
        """Both passes over one batch."""
        del windows
        depth, number = self.depth, self.reader.last
        teacher = self.reader.teacher(batch.teacher, final=depth.teacher_final) if depth.teacher else {}
        with part("student"):
            found = self.reader.states(batch.student, final=depth.student_final)
        flat = {layer: states.flatten(0, 1) for layer, states in found.items()}
        before = flat[number].detach()[batch.before] if number in flat else None
        return Read({layer: states[batch.compared] for layer, states in flat.items()}, teacher, before)


@dataclass(frozen=True, slots=True)
class Shared:
    """The student's pass behind the teacher's keys and values: before a first new token nothing is read twice."""

    reader: Reader
    depth: Depth

    length = staticmethod(taught_length)

    def read(self, batch: PairedBatch, windows: Sequence[Window]) -> Read:
        """Both passes over one batch."""
        depth, number = self.depth, self.reader.last
        tail = suffixes(windows).to(batch.student.device)
        recorded = Recorded(tail.prefix)
        # The student needs keys and values of every block that it runs.
        deep = depth.teacher_final or depth.student_final
        teacher = self.reader.teacher(batch.teacher, final=deep, **{KEYWORD: recorded})
        student = behind(self.reader, tail, recorded, longest=batch.teacher.shape[1], final=depth.student_final)
        before = teacher[number][before_in_teacher(batch)] if number in teacher else None
        return Read(student, teacher, before)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The teacher from a cache: only final states, or the largest logits, at the positions that are compared."""

    reader: Reader
    cache: TeacherCache
    share: bool
    """Whether the student's pass begins at its first new token."""

    @property
    def length(self) -> Callable[[Window], int]:
        """What windows that are read together should be alike in."""
        return taught_length if self.share else whole_length

    def read(self, batch: PairedBatch, windows: Sequence[Window]) -> Read:
        """The student's pass, and what is known of the teacher's."""
        number = self.reader.last
        student, before = (self._behind if self.share else self._whole)(batch, windows)
        with part("cache"):
            states, top = self.cache.read(windows, batch)
        return Read(student, {} if states is None else {number: states}, before, top)

    def _behind(self, batch: PairedBatch, windows: Sequence[Window]) -> tuple[States, Tensor]:
        tail = suffixes(windows).to(batch.student.device)
        # Where all rows begin with a new token one position is read all the same, and masked.
        width = max(1, tail.prefix)
        recorded = Recorded(tail.prefix)
        ahead = self.reader.teacher(batch.teacher[:, :width], final=True, **{KEYWORD: recorded})[self.reader.last]
        student = behind(self.reader, tail, recorded, longest=batch.teacher.shape[1], final=True)
        student_width = batch.student.shape[1]
        return student, ahead[batch.before // student_width * width + batch.before % student_width]

    def _whole(self, batch: PairedBatch, windows: Sequence[Window]) -> tuple[States, Tensor]:
        del windows
        with part("student"):
            found = self.reader.states(batch.student, final=True)
        flat = {number: states.flatten(0, 1) for number, states in found.items()}
        before = flat[self.reader.last].detach()[batch.before]
        return {number: states[batch.compared] for number, states in flat.items()}, before


def behind(reader: Reader, tail: Suffixes, recorded: Recorded, *, longest: int, final: bool) -> States:
    """The student's states at its compared positions, read behind a recorded prefix."""
    width = tail.ids.shape[1]
    continued = Continued.after(recorded, tail.first, width, reader.composed.model)
    places = positions_after(tail.first, width, longest)
    with part("student"):
        found = reader.states(tail.ids, final=final, position_ids=places, **{KEYWORD: continued})
    return {number: states.flatten(0, 1)[tail.real] for number, states in found.items()}


def before_in_teacher(batch: PairedBatch) -> Tensor:
    """Places before each row's first new token, in the teacher's rows: the same columns."""
    width = batch.student.shape[1]
    return batch.before // width * batch.teacher.shape[1] + batch.before % width
