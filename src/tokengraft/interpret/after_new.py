"""What the model expects behind a new token: the text that comes, or the rest of the token over again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tokengraft.evaluation.reader import Reader
from tokengraft.training.windows import Window


@dataclass(frozen=True, slots=True)
class AfterNew:
    """Figures over the occurrences of new tokens that something follows, over the base vocabulary."""

    occurrences: int
    second_piece: float
    """Share of them behind which the most probable base token is the new token's own second piece."""
    true_next: float
    """Mean probability of the base token that does follow."""
    second_piece_in_text: float
    """Share of them behind which the text itself goes on with that piece."""


@torch.inference_mode()
def after_new(
    model: Any, windows: Sequence[Window], extension: Any, *, most: int = 1000, batch: int = 16
) -> AfterNew | None:
    """The figures of the design's table of anchors; None where no new token is followed by anything.

    Probabilities are renormalised over the base vocabulary, as the objective `kl` does it, so that the head's new rows
    do not count. `most` bounds the occurrences.

    Raises:
        ModelError: the model makes logits of hidden states in a way that is not known.
    """
    reader = Reader.of(model, extension.base_size)
    second = torch.tensor([token.pieces[1] for token in extension.new_tokens])
    found: list[torch.Tensor] = []
    for rows, columns, new, following in _occurrences(windows, extension.base_size, most, batch):
        width = max(len(row) for row in rows)
        ids = np.stack([np.pad(row, (0, width - len(row))) for row in rows])
        hidden = reader.hidden(torch.from_numpy(ids))[columns[:, 0], columns[:, 1]]
        log_p = reader.logits(hidden).log_softmax(1).cpu()
        own = second[new - extension.base_size]
        true = log_p.gather(1, following[:, None])[:, 0].exp()
        found.append(torch.stack([(log_p.argmax(1) == own).float(), true, (following == own).float()]))
    if not found:
        return None
    together = torch.cat(found, 1)
    return AfterNew(together.shape[1], *together.mean(1).tolist())


Batch = tuple[list[np.ndarray], torch.Tensor, torch.Tensor, torch.Tensor]


def _occurrences(windows: Sequence[Window], base_size: int, most: int, batch: int) -> Iterator[Batch]:
    """(rows of ids, (row, column) of each new token in them, its id, the base id behind it)."""
    left = most
    for start in range(0, len(windows), batch):
        group = windows[start : start + batch]
        entries = [
            (row, place, int(window.student[place]), int(window.teacher[window.ends[place] + 1]))
            for row, window in enumerate(group)
            for place in np.flatnonzero(window.student[:-1] >= base_size).tolist()
        ][:left]
        if not entries:
            continue
        left -= len(entries)
        table = torch.tensor(entries)
        yield [window.student for window in group], table[:, :2], table[:, 2], table[:, 3]
        if left <= 0:
            return
