"""Held-out text in both tokenizations, window by window, and what the base makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.alignment import byte_lengths, shared_boundaries
from tokengraft.evaluation.batches import Row
from tokengraft.evaluation.bits_per_byte import BitsPerByte, Cost
from tokengraft.evaluation.context import context_ids
from tokengraft.evaluation.passes import BATCH_TOKENS, hidden_states, look
from tokengraft.evaluation.reader import Reader
from tokengraft.evaluation.windows import byte_windows, spread_places
from tokengraft.model.projection import Projection
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile

Ids = Int[np.ndarray, " ids"]


def fitting(windows: Sequence[str], tokenizer: TokenizerFile, room: int) -> list[str]:
    """The same text in windows of at most `room` tokens: one that is too long is halved until its parts fit.

    With no window longer than the context, each is read from its own start, and no byte is predicted from less text by
    one tokenizer than by the other.
    """
    assert room >= 8, f"a context of {room} tokens cannot hold every character"
    fit: list[str] = []
    for window, ids in zip(windows, tokenizer.encode(windows), strict=True):
        if len(ids) <= room:
            fit.append(window)
        else:
            half = max(1, len(window.encode("utf-8")) // 2)
            fit.extend(fitting(list(byte_windows([window], half)), tokenizer, room))
    return fit


@dataclass(frozen=True, slots=True)
class PairedWindow:
    """A window in both tokenizations, each behind the same context."""

    student: Ids
    """Extended ids."""
    teacher: Ids
    """Base ids."""
    places: Ids
    """Student positions at whose byte the base ends a token as well; all of them under a conservative extension."""
    ends: Ids
    """The teacher positions that end there."""
    document: int


@dataclass(frozen=True, slots=True)
class PairedText:
    """Windows that fit the model's context in either tokenization, each behind the ids of `context_ids`."""

    windows: list[PairedWindow]
    first: int
    """Place of the first id that is predicted: what stands before it is context."""
    sizes: Int[np.ndarray, " documents"]
    """Bytes of each document that are read."""
    names: list[str]
    base_size: int

    @classmethod
    def of(
        cls, texts: Sequence[str], extension: ExtendedTokenizer, *, context: int, window_bytes: int = 1024,
        max_bytes: int = 200_000, names: Sequence[str] = (),
    ) -> "PairedText":  # fmt: skip
        """Windows of about `window_bytes` bytes of the texts, evenly spread over them up to `max_bytes`."""
        before = context_ids(extension.base)
        cut = [(number, window) for number, text in enumerate(texts) for window in byte_windows([text], window_bytes)]
        chosen = [cut[place] for place in spread_places([_size(window) for _, window in cut], max_bytes)]
        parts = [window for _, window in chosen]
        for tokenizer in (extension.base, extension.file):
            parts = fitting(parts, tokenizer, context - len(before))
        owners = _owners([_size(window) for _, window in chosen], [_size(part) for part in parts])
        # Documents that no window was taken from have no figure, and no number.
        seen = {old: new for new, old in enumerate(dict.fromkeys(number for number, _ in chosen))}
        documents = [seen[chosen[owner][0]] for owner in owners]
        sizes = np.bincount(documents, [_size(part) for part in parts], len(seen)).astype(np.int64)
        named = [names[old] if old < len(names) else f"document {old + 1}" for old in seen]
        return cls(_paired(extension, parts, documents, before), len(before), sizes, named, extension.base_size)

    @property
    def bytes(self) -> int:
        """Bytes of all windows."""
        return int(self.sizes.sum())

    def base_rows(self, base: "BaseReading | None" = None) -> list[Row]:
        """The base's tokenization; with its own states, to compare a model that reads the same ids."""
        states = base.states if base else [None] * len(self.windows)
        return [
            Row(window.teacher, self.first, each, None if each is None else window.ends, index=index,
                document=window.document)
            for index, (window, each) in enumerate(zip(self.windows, states, strict=True))
        ]  # fmt: skip

    def extended_rows(self, base: "BaseReading") -> list[Row]:
        """The extended tokenization, with the base's states at the bytes where both have a boundary."""
        read = zip(self.windows, base.states, base.nats, strict=True)
        return [
            Row(window.student, self.first, states, window.places, _next_cost(window, nats),
                since_new(window.student, self.base_size), index, window.document)
            for index, (window, states, nats) in enumerate(read)
        ]  # fmt: skip


def _paired(
    extension: ExtendedTokenizer, parts: Sequence[str], documents: Sequence[int], before: list[int]
) -> list[PairedWindow]:
    both = zip(extension.encode(parts), extension.base.encode(parts), strict=True)
    found = []
    for (student, teacher), part, document in zip(both, parts, documents, strict=True):
        places, ends = _shared(extension, student, teacher, part)
        size = len(before)
        context = np.arange(size)
        window = PairedWindow(
            np.array([*before, *student]), np.array([*before, *teacher]), np.concatenate([context, places + size]),
            np.concatenate([context, ends + size]), document,
        )  # fmt: skip
        found.append(window)
    return found


def _shared(extension: ExtendedTokenizer, student: list[int], teacher: list[int], text: str) -> tuple[Ids, Ids]:
    """(extended positions, base positions) that end at the same byte."""
    ids, pieces = np.asarray(student, np.int64), extension.decomposition
    if np.array_equal(pieces.flatten(ids), teacher):
        return np.arange(len(ids)), pieces.last_piece_index(ids)
    # Not conservative on this text: the bytes tell.
    lengths = byte_lengths(extension.base, teacher, text), byte_lengths(extension.file, student, text)
    base, extended = shared_boundaries(*lengths)
    return extended, base


def _next_cost(window: PairedWindow, nats: Float[np.ndarray, " base"]) -> Float[np.ndarray, " ids"]:
    """Cost under the base of the text of the id after each one; NaN where no boundary is shared at both its ends."""
    costs = np.full(len(window.student), np.nan)
    total = np.cumsum(nats)
    neighbours = np.flatnonzero(np.diff(window.places) == 1)
    costs[window.places[neighbours]] = total[window.ends[neighbours + 1]] - total[window.ends[neighbours]]
    return costs


def since_new(ids: Ids, base_size: int) -> Ids:
    """Ids since the last new one: 0 at it, −1 before the first.

    >>> since_new(np.array([1, 5, 2, 2, 6]), 5).tolist()
    [-1, 0, 1, 2, 0]
    """
    last = np.maximum.accumulate(np.where(ids >= base_size, np.arange(len(ids)), -1))
    return np.where(last < 0, -1, np.arange(len(ids)) - last)


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _owners(wholes: Sequence[int], parts: Sequence[int]) -> list[int]:
    """For each part the whole that it was cut from; both are sizes in the order of the text."""
    starts = np.array([0, *accumulate(parts)][:-1], np.int64)
    return np.searchsorted(np.cumsum(wholes), starts, side="right").tolist()


@dataclass(frozen=True, slots=True)
class BaseHead:
    """The base's head as it was, for the day when training moves old rows too: a copy of V×d numbers."""

    weight: Float[Tensor, "base d"]
    bias: Float[Tensor, " base"] | None
    projection: Projection

    @classmethod
    def of(cls, reader: Reader) -> "BaseHead":
        """A copy of the head of `reader`."""
        return cls(reader.head.clone(), None if reader.bias is None else reader.bias.clone(), reader.projection)

    def logits(self, hidden: Float[Tensor, "positions d"]) -> Float[Tensor, "positions base"]:
        """The base's logits in float32."""
        return self.projection.logits(hidden, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class BaseReading:
    """What the base made of a text: its cost, and its hidden states at shared boundaries.

    The states wait in host memory, in the model's dtype: 200 kB of text at d 4 096 in bfloat16 take about 0.4 GB. They
    spare every variant a pass of the base, and they are exact.
    """

    bits: BitsPerByte
    cost: Cost
    states: list[Float[Tensor, "shared d"]]
    nats: list[Float[np.ndarray, " base"]]
    """Cost of each base id of each window; 0 for the context."""


def read_base(model: Any, base_size: int, text: PairedText, what: str, batch_tokens: int = BATCH_TOKENS) -> BaseReading:
    """One pass of the base over the text; `what` is shown meanwhile.

    Raises:
        ModelError: the model makes logits of hidden states in a way that is not known.
    """
    reader, cost = Reader.of(model, base_size), Cost()
    kept: dict[int, Tensor] = {}
    nats: dict[int, Float[np.ndarray, " base"]] = {}
    for rows, states in hidden_states(reader, text.base_rows(), what, batch_tokens):
        each = CostByPlace()
        look(reader, rows, states, [cost, each], None)
        costs = torch.cat(each.found).numpy()
        for row, hidden in zip(rows, states, strict=True):
            kept[row.index] = hidden[torch.as_tensor(text.windows[row.index].ends, device=hidden.device)].cpu()
            used, costs = np.split(costs, [len(row) - row.first + 1])
            # A position's cost is that of the id behind it; at the end of a row nothing follows.
            nats[row.index] = np.concatenate([np.zeros(row.first), used[:-1]])
    places = range(len(text.windows))
    return BaseReading(
        cost.over(text.bytes), cost, [kept[index] for index in places], [nats[index] for index in places]
    )


class CostByPlace:
    """Measure: the cost of each target, position by position, in the order in which they are seen."""

    def __init__(self) -> None:
        self.found: list[Float[Tensor, " positions"]] = []

    def add(self, chunk: Any) -> None:
        """Keeps the chunk's costs."""
        self.found.append(chunk.nats.double().cpu())
