"""One pass of a model over rows of text, from which every measure takes what it needs.

The body runs once and the head once for a chunk of positions, whatever is measured: a chunk's logits live only while
the measures look at it, so memory does not grow with the text or with their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.evaluation.batches import Row, length_batches, padded
from tokengraft.evaluation.reader import Reader
from tokengraft.losses import NO_TARGET
from tokengraft.progress import bar

BATCH_TOKENS = 2048
"""Rows × width of one forward pass."""

CHUNK = 256
"""Positions whose logits exist at one time."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some positions of the text, as a measure sees them. Measures read; they change nothing."""

    logits: Float[Tensor, "positions size"]
    """float32, over the reader's ids."""
    log_total: Float[Tensor, " positions"]
    """Log of the sum of their exponentials."""
    ids: Int[Tensor, " positions"]
    """The id that ends at the position."""
    targets: Int[Tensor, " positions"]
    """The id that follows; `NO_TARGET` at the end of a row."""
    teacher: Float[Tensor, "positions base"] | None
    """The base's logits at the same byte."""


class Measure(Protocol):
    """Adds up what it measures, chunk by chunk."""

    def add(self, chunk: Chunk) -> None:
        """Takes one chunk into account."""
        ...


class Teacher(Protocol):
    """Whoever turns the hidden states that came with the rows into logits over the base vocabulary."""

    def logits(self, hidden: Float[Tensor, "positions d"]) -> Float[Tensor, "positions base"]:
        """The base's logits in float32."""
        ...


def hidden_states(
    reader: Reader, rows: Sequence[Row], what: str, batch_tokens: int = BATCH_TOKENS
) -> Iterator[tuple[list[Row], list[Float[Tensor, "ids d"]]]]:
    """Rows of like length, and the final hidden states of each of their ids; `what` is shown while they are made."""
    with bar(len(rows), what, "row") as shown:
        for batch in length_batches(rows, batch_tokens):
            with torch.inference_mode():
                hidden = reader.hidden(padded([row.ids for row in batch]))
            yield batch, [states[: len(row)] for row, states in zip(batch, hidden, strict=True)]
            shown.update(len(batch))


def measure(
    reader: Reader, rows: Sequence[Row], measures: Sequence[Measure], *, what: str, teacher: Teacher | None = None
) -> None:
    """Lets every measure see every position of the rows, the predictions of their context left out."""
    for batch, states in hidden_states(reader, rows, what):
        look(reader, batch, states, measures, teacher)


@torch.inference_mode()
def look(
    reader: Reader, rows: Sequence[Row], states: Sequence[Tensor], measures: Sequence[Measure], teacher: Teacher | None
) -> None:
    """Lets every measure see the positions of one batch, whose hidden states are given."""
    flat = _Positions.of(rows, states)
    for start in range(0, len(flat.ids), CHUNK):
        chunk = flat.chunk(slice(start, start + CHUNK), reader, teacher)
        for each in measures:
            each.add(chunk)


@dataclass(frozen=True, slots=True)
class _Positions:
    """The positions of a batch one after the other, without context and padding."""

    hidden: Float[Tensor, "positions d"]
    ids: Int[Tensor, " positions"]
    targets: Int[Tensor, " positions"]
    teacher: Float[Tensor, "positions d"] | None

    @classmethod
    def of(cls, rows: Sequence[Row], states: Sequence[Tensor]) -> "_Positions":
        # The position before `first` is the one that predicts the id there.
        starts = [row.first - 1 for row in rows]
        ids = [torch.as_tensor(row.ids) for row in rows]
        end = torch.tensor([NO_TARGET])
        teachers = [row.teacher[start:] for row, start in zip(rows, starts, strict=True) if row.teacher is not None]
        device = states[0].device
        return cls(
            torch.cat([each[start:] for each, start in zip(states, starts, strict=True)]),
            torch.cat([each[start:] for each, start in zip(ids, starts, strict=True)]).to(device),
            torch.cat([part for each, start in zip(ids, starts, strict=True) for part in (each[start + 1 :], end)]).to(
                device
            ),
            torch.cat(teachers).to(device) if teachers else None,
        )

    def chunk(self, where: slice, reader: Reader, teacher: Teacher | None) -> Chunk:
        logits = reader.logits(self.hidden[where])
        compared = None if teacher is None or self.teacher is None else teacher.logits(self.teacher[where])
        return Chunk(logits, logits.logsumexp(1), self.ids[where], self.targets[where], compared)
