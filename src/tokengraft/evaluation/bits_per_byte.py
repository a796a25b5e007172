"""Bits per byte: the one loss that can be compared between tokenizers.

Loss per token cannot: fewer, longer tokens each carry more bits, so a better model of the same text shows a higher
figure. It misleads when the texts, or the context that each byte is predicted from, are not the same on both sides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from tokengraft.evaluation.batches import Row, length_batches, rolling_rows
from tokengraft.evaluation.passes import BATCH_TOKENS, Chunk, hidden_states, look
from tokengraft.evaluation.reader import Reader
from tokengraft.evaluation.sums import Ratio, Sums
from tokengraft.evaluation.windows import byte_windows

__all__ = ["BitsPerByte", "Cost", "bits_per_byte", "byte_windows", "length_batches", "rolling_rows"]


@dataclass(frozen=True, slots=True)
class BitsPerByte:
    """Total cost of a text under a model, and the bytes that it is spread over.

    >>> round(BitsPerByte(nats=math.log(2), bytes=2, tokens=1).value, 6)
    0.5
    """

    nats: float
    bytes: int
    tokens: int

    @property
    def value(self) -> float:
        """Bits per byte of the UTF-8 text; NaN for no text."""
        return self.nats / math.log(2) / self.bytes if self.bytes else math.nan


@dataclass(slots=True)
class Cost:
    """Measure: −ln p(id | ids before it) in nats, added up over the text in double precision."""

    sums: Sums = field(default_factory=Sums)

    def add(self, chunk: Chunk) -> None:
        """Adds the cost of each target."""
        self.sums.add(chunk.documents, {"nats": chunk.nats, "tokens": chunk.real})

    def over(self, size: int) -> BitsPerByte:
        """The cost spread over `size` bytes."""
        return BitsPerByte(self.sums.total("nats"), size, self.sums.count("tokens"))

    def ratios(self, sizes: Float[np.ndarray, " documents"]) -> dict[str, Ratio]:
        """Bits and tokens per byte, of documents of so many bytes."""
        nats, tokens = (self.sums.by_document(name, len(sizes)) for name in ("nats", "tokens"))
        return {"bits_per_byte": Ratio(nats / math.log(2), sizes), "tokens_per_byte": Ratio(tokens, sizes)}


def bits_per_byte(
    model: Any,
    encoded: Sequence[tuple[Sequence[int], int]],
    *,
    prefix: int,
    context: int,
    batch_tokens: int = BATCH_TOKENS,
    size: int | None = None,
) -> BitsPerByte:
    """Cost of windows given as (ids without BOS, number of bytes).

    A window longer than `context` is read in rolling rows. Rows of like length go together, so little is spent on
    padding; `batch_tokens` bounds rows × width of one forward pass. `size` is the number of ids that exist; None: every
    row of the model's tables.

    Raises:
        ModelError: the model makes logits of hidden states in a way that is not known.
    """
    reader, cost = Reader.of(model, size), Cost()
    rows = [Row(row) for ids, _ in encoded for row in rolling_rows(ids, prefix, context)]
    for batch, states in hidden_states(reader, rows, "bits per byte", batch_tokens):
        look(reader, batch, states, [cost], None)
    return cost.over(sum(size for _, size in encoded))
