"""What the closing fit of the head needs to know of the text: a hidden state and three numbers a position.

The states are the only large thing (positions × d). They stay in the parts that they were read in, which find room in
what the training steps freed, and in bfloat16: joined in float32 they took four times as much at the peak. Rounding
changes a logit by about 0.2 % of its size in a random direction; log-sums of the old columns are computed before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses.fused import Head
from tokengraft.model.rows import Composed
from tokengraft.training.batches import PairedBatch, like_lengths, pair
from tokengraft.training.windows import Window

PART = 2048
"""Positions that are read in one forward pass, and whose new logits exist at one time."""

ROWS = 512
"""Positions whose old logits exist at one time."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions that have a next token. `hidden` is in bfloat16."""

    hidden: Float[Tensor, "positions d"]
    old_total: Float[Tensor, " positions"]
    """Log-sum of the old logits."""
    old_target: Float[Tensor, " positions"]
    """Logit of the next token where it is an old one."""
    column: Int[Tensor, " positions"]
    """Column of the next token among the new ones; −1 where it is an old one."""


SoftReader = Callable[[PairedBatch, Sequence[Window], Tensor, Tensor], None]
"""(batch, its windows, which of its positions have a next token, those before first; their states) → nothing."""


@dataclass(frozen=True, slots=True)
class SoftSum:
    """The teacher's targets of all positions, as far as a loss that is linear in the logits needs them: n×d numbers.

    Cross-entropy with soft targets q is log-sum − Σ q·logit, and the logits are linear in the rows: Σ over positions of
    q ⊗ state is all that the second part needs.
    """

    rows: Float[Tensor, "new d"]
    """Σ p(new | context) · state."""
    bias: Float[Tensor, " new"]
    """Σ p(new | context)."""
    old: Float[Tensor, "1"]
    """Σ p(old | context) · logit of old."""

    def add(self, states: Float[Tensor, "positions d"], soft: Tensor, soft_old: Tensor) -> None:
        """Adds positions."""
        self.rows.addmm_(soft.T, states.float())
        self.bias.add_(soft.sum(0))
        self.old.add_(soft_old.sum())


def read_positions(
    composed: Composed, head: Head, windows: Sequence[Window], progress: Any, soft: SoftReader | None = None
) -> list[Positions]:
    """Every position of the windows that has a next token, as the model with its new rows reads them.

    In parts of at most `PART` positions, or one window; `progress` counts windows.

    `soft` is shown every batch, for the teacher's targets there.
    """
    parts = []
    for group in like_lengths(windows, PART):
        parts.append(_read(composed, head, group, soft))
        progress.update(len(group))
    return parts


@torch.no_grad()
def _read(composed: Composed, head: Head, windows: Sequence[Window], soft: SoftReader | None) -> Positions:
    batch = pair(windows).to(composed.model.device)
    places = torch.cat([batch.before, batch.compared])
    targets = torch.cat([batch.before_targets, batch.compared_targets])
    real = targets >= 0
    hidden, targets = composed.hidden(batch.student).flatten(0, 1)[places[real]], targets[real]
    if soft is not None:
        soft(batch, windows, real, hidden)
    new = targets >= composed.base_size
    totals, chosen = zip(*(_old_side(head, hidden[c], targets[c], new[c]) for c in _slices(len(hidden))), strict=True)
    column = torch.where(new, targets - composed.base_size, -1)
    return Positions(hidden.to(torch.bfloat16), torch.cat(totals), torch.cat(chosen), column)


def _old_side(head: Head, hidden: Tensor, targets: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    old = head.projection.logits(hidden, head.weight, head.bias)
    return old.logsumexp(1), old.gather(1, targets.masked_fill(new, 0)[:, None])[:, 0]


def _slices(length: int) -> Iterator[slice]:
    for start in range(0, length, ROWS):
        yield slice(start, start + ROWS)
