"""Is the base still there, bit for bit? Old rows and old logits before and after growing.

Bits are compared by their SHA-256, so nothing of the base has to be kept beside the grown model, and NaN or −0 cannot
hide a change.

Both sides are asked in the same batches of many positions. A matrix product may choose its kernel by shape: in float32,
MKL computes the last V mod 4 columns in another order of summation where a thread is left with 1 to 3 rows, and after
growing those columns are no longer the last. It never happened with V divisible by 4, with 28 positions or more, or in
bfloat16 or float16 (52 000 products compared, V from 512 to 50 257).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from tokengraft.model.load import context_length
from tokengraft.model.tables import find_tables

ROWS, WIDTH = 4, 128
"""Shape of a batch: enough positions that no thread is left with three."""


@dataclass(frozen=True, slots=True)
class Imprint:
    """What a model's old rows and old logits are, bit by bit."""

    batches: Int[Tensor, "batches rows width"]
    base_size: int
    rows: tuple[str, ...]
    """Digest of the old rows of the input table, the head, and the head's bias where there is one."""
    logits: tuple[str, ...]
    """Digest of each batch's logits over the base vocabulary."""

    @classmethod
    def take(cls, model: Any, ids: Sequence[int], base_size: int, *, batches: int = 4) -> "Imprint":
        """The imprint of `model` on `batches` batches of the text with these base ids, repeated where it is short."""
        assert 0 <= min(ids) <= max(ids) < base_size, "text without new tokens"
        width = min(WIDTH, context_length(model))
        need = ROWS * width
        stream = torch.tensor(list(ids)).repeat(-(-need // len(ids)))
        count = max(1, min(batches, len(stream) // need))
        return cls._of(model, stream[: count * need].view(count, ROWS, width), base_size)

    @classmethod
    def _of(cls, model: Any, batches: Int[Tensor, "batches rows width"], base_size: int) -> "Imprint":
        tables = find_tables(model)
        parts = [part for part in (tables.input_weight, tables.head_weight, tables.head_bias) if part is not None]
        return cls(
            batches,
            base_size,
            tuple(_digest(part.detach()[:base_size]) for part in parts),
            tuple(_digest(_logits(model, ids)[..., :base_size]) for ids in batches),
        )

    def compare(self, model: Any) -> "Exactness":
        """Whether another model, or the same one grown since, has the same old rows and logits."""
        other = Imprint._of(model, self.batches, self.base_size)
        return Exactness(self.rows == other.rows, self.logits == other.logits, self.batches.numel() * self.base_size)


@dataclass(frozen=True, slots=True)
class Exactness:
    """The outcome of a comparison."""

    old_rows_identical: bool
    old_logits_identical: bool
    compared_logits: int


@torch.inference_mode()
def _logits(model: Any, ids: Int[Tensor, "rows width"]) -> Tensor:
    return model(input_ids=ids.to(model.device), use_cache=False).logits


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().view(torch.uint8).cpu().numpy().data).hexdigest()
