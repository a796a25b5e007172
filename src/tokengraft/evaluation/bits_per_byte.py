"""Bits per byte: the one loss that can be compared between tokenizers.

Loss per token cannot: fewer, longer tokens each carry more bits, so a better model of the same text shows a higher figure.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class BitsPerByte:
    """Total cost of a text under a model, and the bytes that it is spread over."""

    nats: float
    bytes: int
    tokens: int

    @property
    def value(self) -> float:
        """Bits per byte of the UTF-8 text."""
        return self.nats / math.log(2) / self.bytes if self.bytes else math.nan


def byte_windows(texts: Iterable[str], window_bytes: int = 1024) -> Iterator[str]:
    """Pieces of each text of about `window_bytes` bytes of UTF-8, cut after a line end where there is one; nothing is lost.

    >>> list(byte_windows(["ab\\ncd\\nef"], 4))
    ['ab\\n', 'cd\\n', 'ef']
    >>> list(byte_windows(["häh"], 2))
    ['h', 'ä', 'h']
    """
    for text in texts:
        data = text.encode("utf-8")
        start = 0
        while start < len(data):
            end = _cut(data, start, min(start + window_bytes, len(data)))
            yield data[start:end].decode("utf-8")
            start = end


def _cut(data: bytes, start: int, end: int) -> int:
    if end == len(data):
        return end
    newline = data.rfind(b"\n", start, end)
    if newline >= start:
        return newline + 1
    while end > start and data[end] & 0xC0 == 0x80:
        end -= 1
    if end > start:
        return end
    end = start + 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return end


def rolling_rows(ids: Sequence[int], prefix: int, context: int) -> Iterator[list[int]]:
    """Rows of at most `context` ids in which every id of `ids` is predicted exactly once.

    The first row starts from `prefix` (BOS), each later one from the id before it, as lm-eval's rolling windows do.

    >>> list(rolling_rows([5, 6, 7], prefix=0, context=3))
    [[0, 5, 6], [6, 7]]
    """
    step = context - 1
    for start in range(0, len(ids), step):
        yield [prefix if start == 0 else ids[start - 1], *ids[start : start + step]]


def padded(rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "rows width"], Int[Tensor, " rows"]]:
    """Rows padded on the right with 0, and their true lengths: padding is told by length, never by id."""
    lengths = torch.tensor([len(row) for row in rows])
    table = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for index, row in enumerate(rows):
        table[index, : len(row)] = torch.tensor(row)
    return table, lengths


@torch.inference_mode()
def row_nats(model: Any, rows: Sequence[Sequence[int]]) -> Float[Tensor, " rows"]:
    """Sum over each row of −ln p(id | ids before it), in float32; the first id of a row is context only."""
    table, lengths = padded(rows)
    table = table.to(model.device)
    # No mask: with padding on the right and causal attention no real position can see it.
    logits = model(input_ids=table, use_cache=False).logits[:, :-1].float()
    losses = F.cross_entropy(logits.flatten(0, 1), table[:, 1:].flatten(), reduction="none").view(len(rows), -1)
    real = torch.arange(losses.shape[1], device=losses.device) < (lengths.to(losses.device) - 1)[:, None]
    return (losses * real).sum(1).cpu()


def bits_per_byte(
    model: Any,
    encoded: Sequence[tuple[Sequence[int], int]],
    *,
    prefix: int,
    context: int,
    batch_tokens: int = 8192,
) -> BitsPerByte:
    """Cost of windows given as (ids without BOS, number of bytes).

    Rows of like length go together, so little is spent on padding; `batch_tokens` bounds rows × width of one forward pass.
    """
    rows = [row for ids, _ in encoded for row in rolling_rows(ids, prefix, context)]
    nats = 0.0
    for batch in length_batches(rows, batch_tokens):
        nats += row_nats(model, batch).double().sum().item()
    return BitsPerByte(nats, sum(size for _, size in encoded), sum(len(ids) for ids, _ in encoded))


def length_batches(rows: Sequence[Sequence[int]], batch_tokens: int) -> Iterator[list[Sequence[int]]]:
    """Batches of rows of like length whose padded size stays within `batch_tokens`."""
    batch: list[Sequence[int]] = []
    for row in sorted(rows, key=len):
        if batch and len(row) * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
