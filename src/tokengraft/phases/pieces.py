"""The new tokens' pieces with the mean probabilities that the teacher gives them, where an objective asks for those."""

from collections.abc import Iterable, Sequence

import torch

from tokengraft.losses.fused_head import Head
from tokengraft.losses.soft_targets import PieceTree, follow
from tokengraft.model.rows import Composed
from tokengraft.progress import bar
from tokengraft.training.batches import like_lengths, pair
from tokengraft.training.windows import Window

SAMPLE = 20_000
"""Base tokens on which the means are taken."""

ROOM = 4096
"""Base tokens of one forward pass."""


@torch.no_grad()
def piece_tree(composed: Composed, head: Head, pieces: Sequence[Sequence[int]], windows: Sequence[Window]) -> PieceTree:
    """The tree of the tokens, its means taken by the frozen model over the windows in its own tokenization."""
    device = composed.model.device
    tree = PieceTree.of(pieces).to(device)
    sums, counts = torch.zeros_like(tree.tails), torch.zeros_like(tree.tails)
    with bar(len(windows), "read for the targets", "window") as progress:
        for group in like_lengths(windows, ROOM):
            batch = pair(group).to(device)
            hidden = composed.hidden(batch.teacher).flatten(0, 1)
            lengths = torch.tensor([len(window.teacher) for window in group], device=device)
            column = torch.arange(batch.teacher.shape[1], device=device)[None]
            places = (column < lengths[:, None]).flatten().nonzero()[:, 0]
            token, depth, probability = follow(tree, batch.teacher, lengths, places, hidden, head).seen
            sums.index_put_((token, depth), probability, accumulate=True)
            counts.index_put_((token, depth), torch.ones_like(probability), accumulate=True)
            progress.update(len(group))
    return tree.with_tails(sums, counts)


def sample_windows(windows: Sequence[Window], replay: Sequence[Window], share: float, seed: int) -> list[Window]:
    """Windows of about `SAMPLE` base tokens, the asked share of them of replay text."""
    share = share if replay else 0.0
    draw = torch.Generator().manual_seed(seed)

    def some(source: Sequence[Window], tokens: float) -> Iterable[Window]:
        for place in torch.randperm(len(source), generator=draw).tolist():
            if tokens <= 0:
                return
            tokens -= len(source[place].teacher)
            yield source[place]

    return [*some(windows, SAMPLE * (1 - share)), *some(replay, SAMPLE * share)]
