"""Held-out text in both tokenizations, window by window, and what the base makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from tokengraft.evaluation.batches import Row
from tokengraft.evaluation.bits_per_byte import BitsPerByte, Cost
from tokengraft.evaluation.context import context_ids
from tokengraft.evaluation.passes import hidden_states, look
from tokengraft.evaluation.reader import Reader
from tokengraft.evaluation.windows import byte_windows, spread
from tokengraft.model.projection import Projection
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile
from tokengraft.training.windows import Window, make_window


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
class PairedText:
    """Windows that fit the model's context in either tokenization, each behind the ids of `context_ids`."""

    windows: list[Window]
    first: int
    """Place of the first id that is predicted: what stands before it is context."""
    bytes: int

    @classmethod
    def of(
        cls, texts: Sequence[str], extension: ExtendedTokenizer, *, context: int, window_bytes: int = 1024,
        max_bytes: int = 200_000,
    ) -> "PairedText":  # fmt: skip
        """Windows of about `window_bytes` bytes of the texts, evenly spread over them up to `max_bytes`."""
        before = context_ids(extension.base)
        chosen = spread(list(byte_windows(texts, window_bytes)), max_bytes)
        chosen = fitting(chosen, extension.base, context - len(before))
        windows = [
            make_window(np.array([*before, *ids]), extension.decomposition, extension.base_size)
            for ids in extension.encode(chosen)
        ]
        return cls(windows, len(before), sum(len(window.encode("utf-8")) for window in chosen))

    def base_rows(self) -> list[Row]:
        """The base's tokenization."""
        return [Row(window.teacher, self.first, index=index) for index, window in enumerate(self.windows)]

    def extended_rows(self, base: "BaseReading") -> list[Row]:
        """The extended tokenization, with the base's states at the bytes where its tokens end."""
        pairs = zip(self.windows, base.states, strict=True)
        return [Row(window.student, self.first, states, index) for index, (window, states) in enumerate(pairs)]


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
    states: list[Float[Tensor, "ids d"]]


def read_base(model: Any, base_size: int, text: PairedText, what: str) -> BaseReading:
    """One pass of the base over the text; `what` is shown meanwhile.

    Raises:
        ModelError: the model makes logits of hidden states in a way that is not known.
    """
    reader, cost = Reader.of(model, base_size), Cost()
    kept: dict[int, Tensor] = {}
    for rows, states in hidden_states(reader, text.base_rows(), what):
        look(reader, rows, states, [cost], None)
        for row, hidden in zip(rows, states, strict=True):
            kept[row.index] = hidden[text.windows[row.index].ends].cpu()
    return BaseReading(cost.over(text.bytes), [kept[index] for index in range(len(text.windows))])
