"""What the closing fit of the head needs to know of the text: a hidden state and three numbers a position.

The states are the only large thing (positions × d), so they stand in one tensor that is filled in place, in bfloat16:
two bytes an entry, where parts that are joined at the end in float32 take eight. Rounding them changes a logit by about
0.2 % of its size in a random direction; the log-sums of the old columns are computed before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses.fused import Head
from tokengraft.model.rows import Composed
from tokengraft.training.batches import pair
from tokengraft.training.windows import Window

CHUNK = 2048
"""Positions whose new logits exist at one time."""

BATCH = 16
"""Windows that are read in one forward pass."""

ROWS = 512
"""Positions whose old logits exist at one time."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions that have a next token."""

    hidden: Float[Tensor, "positions d"]
    old_total: Float[Tensor, " positions"]
    """Log-sum of the old logits."""
    old_target: Float[Tensor, " positions"]
    """Logit of the next token where it is an old one."""
    column: Int[Tensor, " positions"]
    """Column of the next token among the new ones; −1 where it is an old one."""

    @classmethod
    def room(cls, count: int, width: int, device: torch.device) -> "Positions":
        """Room for `count` positions, not filled yet."""
        return cls(
            torch.empty(count, width, dtype=torch.bfloat16, device=device),
            torch.empty(count, device=device),
            torch.empty(count, device=device),
            torch.empty(count, dtype=torch.int64, device=device),
        )

    def put(self, start: int, part: "Positions") -> int:
        """The place behind `part`, which is written from `start` on."""
        end = start + len(part.column)
        for name in self.__slots__:
            getattr(self, name)[start:end] = getattr(part, name)
        return end

    def repeated(self, count: int) -> "Positions":
        """`count` positions: these, over and over."""
        room = Positions.room(count, self.hidden.shape[1], self.hidden.device)
        end = 0
        while end < count:
            end = room.put(end, self.chosen(slice(0, count - end)))
        return room

    def chosen(self, where: slice) -> "Positions":
        """Some of the positions, as views."""
        return Positions(*(getattr(self, name)[where] for name in self.__slots__))

    def chunks(self) -> Iterator["Positions"]:
        """The positions, `CHUNK` at a time."""
        for start in range(0, len(self.column), CHUNK):
            yield self.chosen(slice(start, start + CHUNK))


def read_positions(composed: Composed, head: Head, windows: Sequence[Window], progress: Any) -> Positions:
    """Every position of the windows that has a next token, read by the model with its new rows; `progress` counts."""
    ordered = sorted(windows, key=lambda window: len(window.student))
    room = Positions.room(sum(len(window.student) for window in ordered), head.weight.shape[1], composed.model.device)
    end = 0
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        end = room.put(end, _read(composed, head, batch))
        progress.update(len(batch))
    return room.chosen(slice(0, end))


@torch.no_grad()
def _read(composed: Composed, head: Head, windows: Sequence[Window]) -> Positions:
    batch = pair(windows).to(composed.model.device)
    places = torch.cat([batch.before, batch.compared])
    targets = torch.cat([batch.before_targets, batch.compared_targets])
    real = targets >= 0
    hidden, targets = composed.hidden(batch.student).flatten(0, 1)[places[real]], targets[real]
    new = targets >= composed.base_size
    totals, chosen = zip(*(_old_side(head, hidden[c], targets[c], new[c]) for c in _slices(len(hidden))), strict=True)
    column = torch.where(new, targets - composed.base_size, -1)
    return Positions(hidden, torch.cat(totals), torch.cat(chosen), column)


def _old_side(head: Head, hidden: Tensor, targets: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    old = head.projection.logits(hidden, head.weight, head.bias)
    return old.logsumexp(1), old.gather(1, targets.masked_fill(new, 0)[:, None])[:, 0]


def _slices(length: int) -> Iterator[slice]:
    for start in range(0, length, ROWS):
        yield slice(start, start + ROWS)
