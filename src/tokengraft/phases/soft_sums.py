"""The teacher's targets for the closing fit, summed while the positions are read."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tokengraft.losses.fused_head import Head
from tokengraft.losses.soft_targets import PieceTree, SoftTargets, follow
from tokengraft.model.rows import Composed
from tokengraft.phases.positions import ROWS, SoftSum
from tokengraft.training.batches import PairedBatch
from tokengraft.training.windows import Window


class SoftSums:
    """Adds up the targets of each batch that `read_positions` reads."""

    def __init__(self, composed: Composed, head: Head, tree: PieceTree) -> None:
        self._composed, self._head, self._tree = composed, head, tree
        width, new, device = head.weight.shape[1], len(tree.lengths), composed.model.device
        self.total = SoftSum(
            torch.zeros(new, width, device=device), torch.zeros(new, device=device), torch.zeros(1, device=device)
        )

    @torch.no_grad()
    def __call__(self, batch: PairedBatch, windows: Sequence[Window], real: Tensor, hidden: Tensor) -> None:
        """Takes one batch into account: `hidden` are the student's states at its positions that have a next token."""
        student_width, width = batch.student.shape[1], batch.teacher.shape[1]
        before = batch.before // student_width * width + batch.before % student_width
        places = torch.cat([before, batch.compared_teacher])[real]
        lengths = torch.tensor([len(window.teacher) for window in windows], device=places.device)
        teacher = self._composed.hidden(batch.teacher).flatten(0, 1)
        found = follow(self._tree, batch.teacher, lengths, places, teacher, self._head)
        targets = SoftTargets(self._tree, None, found.context, found.token, found.log_rest)
        head = self._head
        for start in range(0, len(places), ROWS):
            where = slice(start, min(len(places), start + ROWS))
            logits, old = (
                head.projection.logits(states, head.weight, head.bias)
                for states in (teacher[places[where]], hidden[where])
            )
            self.total.add(hidden[where], *targets.at(where, logits, old))
