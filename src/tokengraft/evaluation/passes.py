"""One pass of a model over rows of text, from which every measure takes what it needs.

The body runs once and the head once for a chunk of positions, whatever is measured: a chunk's logits live only while
the measures look at it, so memory does not grow with the text or with their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tokengraft.evaluation.batches import Row, length_batches, padded
from tokengraft.evaluation.reader import Reader
from tokengraft.losses import NO_TARGET
from tokengraft.progress import bar

BATCH_TOKENS = 2048
"""Rows × width of one forward pass."""

CHUNK = 256
"""Positions whose logits exist at one time."""


@dataclass(frozen=True)
class Chunk:
    """Some positions of the text, as a measure sees them. Measures read; they change nothing.

    What several measures ask of a chunk is computed once.
    """

    logits: Float[Tensor, "positions size"]
    """float32, over the reader's ids."""
    log_total: Float[Tensor, " positions"]
    """Log of the sum of their exponentials."""
    ids: Int[Tensor, " positions"]
    """The id that ends at the position."""
    targets: Int[Tensor, " positions"]
    """The id that follows; `NO_TARGET` at the end of a row."""
    teacher: Float[Tensor, "shared base"] | None
    """The base's logits at the same byte."""
    places: Int[Tensor, " shared"] | None = None
    """The positions that the base has logits for; None: all of them."""
    documents: Int[Tensor, " positions"] | None = None
    """The document of each position; None: all are of one."""
    since: Int[Tensor, " positions"] | None = None
    """Ids since the last new one, as `Row.since` has it."""
    base_nats: Float[Tensor, " positions"] | None = None
    """Cost of the next id's text under the base, as `Row.base_nats` has it."""

    @cached_property
    def real(self) -> Bool[Tensor, " positions"]:
        """Whether anything follows."""
        return self.targets >= 0

    @cached_property
    def nats(self) -> Float[Tensor, " positions"]:
        """−ln p of each target; 0 where there is none."""
        chosen = self.logits.gather(1, self.targets.clamp_min(0)[:, None])[:, 0]
        return (self.log_total - chosen) * self.real

    @cached_property
    def greedy(self) -> Int[Tensor, " positions"]:
        """The id that greedy decoding would take."""
        return self.logits.argmax(1)

    @cached_property
    def kl(self) -> Float[Tensor, " shared"]:
        """KL(P ‖ Q) in nats: P the base, Q the model over the ids that the base has, renormalised."""
        assert self.teacher is not None, "the base's logits are needed"
        logits = self.logits if self.places is None else self.logits[self.places]
        log_p = self.teacher.log_softmax(1)
        log_q = logits[:, : self.teacher.shape[1]].log_softmax(1)
        return log_p.sub(log_q).mul_(log_p.exp_()).sum(1)

    def shared(self, values: Tensor | None) -> Tensor | None:
        """Of values of all positions, those that `kl` has an entry for."""
        return values if self.places is None or values is None else values[self.places.to(values.device)]


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
    reader: Reader, rows: Sequence[Row], measures: Sequence[Measure], *, what: str, teacher: Teacher | None = None,
    batch_tokens: int = BATCH_TOKENS,
) -> None:  # fmt: skip
    """Lets every measure see every position of the rows, the predictions of their context left out."""
    for batch, states in hidden_states(reader, rows, what, batch_tokens):
        look(reader, batch, states, measures, teacher)


@torch.inference_mode()
def look(
    reader: Reader, rows: Sequence[Row], states: Sequence[Tensor], measures: Sequence[Measure], teacher: Teacher | None
) -> None:
    """Lets every measure see the positions of one batch, whose hidden states are given."""
    flat = _Positions.of(rows, states)
    for start in range(0, len(flat.ids), CHUNK):
        chunk = flat.chunk(start, min(start + CHUNK, len(flat.ids)), reader, teacher)
        for each in measures:
            each.add(chunk)


@dataclass(frozen=True, slots=True)
class _Positions:
    """The positions of a batch one after the other, without context and padding."""

    hidden: Float[Tensor, "positions d"]
    ids: Int[Tensor, " positions"]
    targets: Int[Tensor, " positions"]
    documents: Int[Tensor, " positions"]
    since: Int[Tensor, " positions"] | None
    base_nats: Float[Tensor, " positions"] | None
    teacher: Float[Tensor, "shared d"] | None
    places: Int[Tensor, " shared"] | None

    @classmethod
    def of(cls, rows: Sequence[Row], states: Sequence[Tensor]) -> "_Positions":
        # The position before `first` is the one that predicts the id there.
        starts = [row.first - 1 for row in rows]
        device = states[0].device
        ids = [torch.as_tensor(row.ids)[start:] for row, start in zip(rows, starts, strict=True)]
        ends = torch.tensor([NO_TARGET])
        teacher, places = _teachers(rows, starts)
        return cls(
            hidden=torch.cat([each[start:] for each, start in zip(states, starts, strict=True)]),
            ids=torch.cat(ids).to(device),
            targets=torch.cat([part for each in ids for part in (each[1:], ends)]).to(device),
            documents=torch.cat([torch.full((len(each),), row.document) for row, each in zip(rows, ids, strict=True)]),
            since=_joined([row.since for row in rows], starts, device),
            base_nats=_joined([row.base_nats for row in rows], starts, device),
            teacher=None if teacher is None else teacher.to(device),
            places=None if places is None else places.to(device),
        )

    def chunk(self, start: int, stop: int, reader: Reader, teacher: Teacher | None) -> Chunk:
        where = slice(start, stop)
        logits = reader.logits(self.hidden[where])
        compared = places = None
        if teacher is not None and self.teacher is not None and self.places is not None:
            first, last = torch.searchsorted(
                self.places, torch.tensor([start, stop], device=self.places.device)
            ).tolist()
            compared, places = teacher.logits(self.teacher[first:last]), self.places[first:last] - start
        return Chunk(
            logits, logits.logsumexp(1), self.ids[where], self.targets[where], compared, places, self.documents[where],
            None if self.since is None else self.since[where],
            None if self.base_nats is None else self.base_nats[where],
        )  # fmt: skip


def _joined(columns: Sequence[np.ndarray | None], starts: Sequence[int], device: torch.device) -> Tensor | None:
    parts = [torch.as_tensor(each[start:]) for each, start in zip(columns, starts, strict=True) if each is not None]
    return torch.cat(parts).to(device) if len(parts) == len(columns) else None


def _teachers(rows: Sequence[Row], starts: Sequence[int]) -> tuple[Tensor | None, Tensor | None]:
    """The base's states of all rows, and the positions that they belong to, counted over the rows."""
    states, places, offset = [], [], 0
    for row, start in zip(rows, starts, strict=True):
        if row.teacher is None:
            return None, None
        own = torch.arange(len(row)) if row.places is None else torch.as_tensor(row.places)
        predicts = own >= start
        states.append(row.teacher[predicts.to(row.teacher.device)])
        places.append(own[predicts] - start + offset)
        offset += len(row) - start
    return torch.cat(states), torch.cat(places)
