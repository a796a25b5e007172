"""Windows in batches, in an order that depends on the seed and the epoch alone, so that any step can be found again."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tokengraft.losses import NO_TARGET
from tokengraft.training.windows import Window

SHORT_BY = 16
"""Tokens of padding a window that are never worth another pass."""

POOL = 32
"""Batches' worth of windows that are sorted by length together: little padding, and still mixed."""


@dataclass(frozen=True, slots=True)
class PairedBatch:
    """Windows in both tokenizations, padded on the right, and the positions that the losses are taken at.

    Positions are flat, into rows × width. `compared` (student) and `compared_teacher` end at the same bytes, at or
    after each row's first new token; `before` lie before it, where both passes are the same. Targets are the next
    extended ids.
    """

    student: Int[Tensor, "rows student_width"]
    teacher: Int[Tensor, "rows teacher_width"]
    compared: Int[Tensor, " compared"]
    compared_teacher: Int[Tensor, " compared"]
    compared_targets: Int[Tensor, " compared"]
    before: Int[Tensor, " before"]
    before_targets: Int[Tensor, " before"]

    def to(self, device: torch.device) -> "PairedBatch":
        """The same batch on another device."""
        return PairedBatch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def pair(windows: Sequence[Window]) -> PairedBatch:
    """A batch of windows."""
    student = _padded([window.student for window in windows], 0)
    teacher = _padded([window.teacher for window in windows], 0)
    targets = _padded([np.append(window.student[1:], NO_TARGET) for window in windows], NO_TARGET)
    ends = _padded([window.ends for window in windows], 0) + np.arange(len(windows))[:, None] * teacher.shape[1]
    column = np.arange(student.shape[1])
    real = column < np.array([len(window.student) for window in windows])[:, None]
    started = column >= np.array([window.first_new for window in windows])[:, None]
    compared, before = np.flatnonzero(real & started), np.flatnonzero(real & ~started)
    arrays = (
        student, teacher, compared, ends.ravel()[compared], targets.ravel()[compared], before, targets.ravel()[before],
    )  # fmt: skip
    return PairedBatch(*(torch.from_numpy(array) for array in arrays))


@dataclass(frozen=True, slots=True)
class Suffixes:
    """The windows of a batch from their first new token on, padded on the right."""

    ids: Int[Tensor, "rows width"]
    real: Int[Tensor, " compared"]
    """Flat places of what is no padding: the compared positions, in the order of `PairedBatch.compared`."""
    first: Int[Tensor, " rows"]
    """Place of each row's first new token in its window."""
    prefix: int
    """The largest of them."""

    def to(self, device: torch.device) -> "Suffixes":
        """The same on another device."""
        return Suffixes(self.ids.to(device), self.real.to(device), self.first.to(device), self.prefix)


def suffixes(windows: Sequence[Window]) -> Suffixes:
    """What is left of windows with new tokens when the part before the first of them is taken away."""
    ids = _padded([window.student[window.first_new :] for window in windows], 0)
    lengths = np.array([len(window.student) - window.first_new for window in windows])
    real = np.flatnonzero(np.arange(ids.shape[1]) < lengths[:, None])
    first = np.array([window.first_new for window in windows])
    return Suffixes(torch.from_numpy(ids), torch.from_numpy(real), torch.from_numpy(first), int(first.max()))


def epoch_batches(windows: Sequence[Window], tokens: int, seed: int, epoch: int) -> list[list[Window]]:
    """Windows in batches of at most `tokens` base tokens, padding included; every window once."""
    draw = np.random.default_rng([seed, epoch])
    order = draw.permutation(len(windows))
    width = max(1, int(np.median([len(window.teacher) for window in windows])))
    pool = max(1, tokens // width) * POOL
    batches = [
        batch
        for start in range(0, len(order), pool)
        for batch in _by_length([windows[index] for index in order[start : start + pool]], tokens)
    ]
    return [batches[index] for index in draw.permutation(len(batches))]


def batches_from(windows: Sequence[Window], tokens: int, seed: int, step: int) -> Iterator[list[Window]]:
    """Batches without end, epoch after epoch, beginning with the batch of step `step`."""
    epoch = 0
    while True:
        batches = epoch_batches(windows, tokens, seed, epoch)
        yield from batches[step:]
        step = max(0, step - len(batches))
        epoch += 1


def mixed_batches(
    windows: Sequence[Window], replay: Sequence[Window], tokens: int, share: float, seed: int, step: int
) -> Iterator[list[Window]]:
    """Batches as `batches_from` gives them, `share` of whose tokens are replay text where there is any."""
    if not replay or not share:
        yield from batches_from(windows, tokens, seed, step)
        return
    again = int(tokens * share)
    for batch, old in zip(
        batches_from(windows, tokens - again, seed, step), batches_from(replay, again, seed + 1, step), strict=False
    ):
        yield batch + old


class Rhythm(Protocol):
    """How long a phase is: in steps, or in passes over the text."""

    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def epochs(self) -> float | None: ...  # noqa: D102
    @property
    def tokens_per_step(self) -> int: ...  # noqa: D102
    @property
    def replay_share(self) -> float: ...  # noqa: D102


def count_steps(rhythm: Rhythm, windows: Sequence[Window], replay: Sequence[Window], seed: int) -> int:
    """Optimiser steps of a phase; passes over the text, where they were asked for, are counted in batches."""
    if rhythm.epochs is None:
        return rhythm.steps
    return max(1, math.ceil(rhythm.epochs * len(epoch_batches(windows, own_tokens(rhythm, replay), seed, 0))))


def own_tokens(rhythm: Rhythm, replay: Sequence[Window]) -> int:
    """Base tokens of a step that are not replay text."""
    return rhythm.tokens_per_step - (int(rhythm.tokens_per_step * rhythm.replay_share) if replay else 0)


def like_lengths(
    windows: Sequence[Window], tokens: int, length: Callable[[Window], int] = lambda window: len(window.teacher)
) -> list[list[Window]]:
    """The windows in groups all of which are about as long as the longest (`_alike`): padding stays small.

    A group has at most `tokens` base tokens, padding included, or is a single window. `length` is what a window's
    padding is measured by.

    Domain and replay text of one step can differ in length by a factor of thirty.
    """
    groups: list[list[Window]] = []
    widest = 0
    for window in sorted(windows, key=length, reverse=True):
        widest = max(widest, len(window.teacher))
        if groups and _alike(length(window), length(groups[-1][0])) and (len(groups[-1]) + 1) * widest <= tokens:
            groups[-1].append(window)
        else:
            groups.append([window])
            widest = len(window.teacher)
    return groups


def _alike(length: int, longest: int) -> bool:
    """Three quarters of it, or short by no more than a pass of its own would cost.

    At half of it, three documents of a Llama of d 512 took 3.5 ms a position in two passes, one of them of 290 and 564
    tokens; every window for itself took 2.9.
    """
    return 4 * length >= 3 * longest or longest - length <= SHORT_BY


def _by_length(windows: list[Window], tokens: int) -> Iterator[list[Window]]:
    batch: list[Window] = []
    for window in sorted(windows, key=lambda window: len(window.teacher)):
        if batch and len(window.teacher) * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _padded(rows: Sequence[np.ndarray], fill: int) -> np.ndarray:
    table = np.full((len(rows), max(map(len, rows))), fill, dtype=np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table
