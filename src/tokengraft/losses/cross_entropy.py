"""Cross-entropy over the extended vocabulary: for the head's rows, and for input rows that learn from text alone."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses import NEW, HeadChunk, InputChunk, head_objectives, input_objectives


@head_objectives.register("ce", paper="next-token cross-entropy; only the new columns carry gradient")
def ce(chunk: HeadChunk) -> tuple[Float[Tensor, " positions"], Float[Tensor, "positions new"]]:
    """−ln p(target) in nats over old and new tokens together; 0 where there is no target.

    The old columns enter through one number a position, their log-sum: that is all the new rows' gradient needs.

    >>> loss, gradient = ce(HeadChunk(torch.zeros(1, 3), torch.zeros(1, 1), torch.tensor([3])))
    >>> round(loss.item(), 4), gradient.tolist()
    (1.3863, [[-0.75]])
    """
    new = chunk.new
    total = torch.logaddexp(chunk.old_total, new.logsumexp(1))
    loss, real, is_new, column = _loss(total, chunk.old, new, chunk.targets)
    gradient = new.sub_(total[:, None]).exp_()
    gradient.scatter_add_(1, column, -is_new[:, None].to(gradient.dtype))
    return loss, gradient.mul_(real[:, None])


@input_objectives.register("ce", paper="next-token cross-entropy; the thesis' second objective", needs=(NEW,))
def input_ce(
    chunk: InputChunk,
) -> tuple[Float[Tensor, " positions"], Float[Tensor, "positions base"], Float[Tensor, "positions new"]]:
    """−ln p(target) in nats over old and new tokens together, for the input rows: no teacher, the text alone.

    >>> zeros = torch.zeros(1, 3)
    >>> loss, old, new = input_ce(InputChunk(zeros, torch.zeros(1, 1), None, torch.tensor([0])))
    >>> round(loss.item(), 4), old.tolist(), new.tolist()
    (1.3863, [[-0.75, 0.25, 0.25]], [[0.25]])
    """
    old, new = chunk.old, chunk.new
    total = torch.logaddexp(old.logsumexp(1), new.logsumexp(1))
    loss, real, is_new, column = _loss(total, old, new, chunk.targets)
    old_gradient = old.sub_(total[:, None]).exp_()
    is_old = (real & ~is_new)[:, None].to(old.dtype)
    old_gradient.scatter_add_(1, chunk.targets.clamp(0, old.shape[1] - 1)[:, None], -is_old)
    new_gradient = new.sub_(total[:, None]).exp_()
    new_gradient.scatter_add_(1, column, -is_new[:, None].to(new.dtype))
    return loss, old_gradient.mul_(real[:, None]), new_gradient.mul_(real[:, None])


def _loss(
    total: Float[Tensor, " positions"],
    old: Float[Tensor, "positions base"],
    new: Float[Tensor, "positions new"],
    targets: Int[Tensor, " positions"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(loss, whether there is a target, whether it is a new token, its column among the new ones)."""
    base_size = old.shape[1]
    real = targets >= 0
    is_new = targets >= base_size
    column = (targets - base_size).clamp_min(0)[:, None]
    chosen = torch.where(
        is_new, new.gather(1, column)[:, 0], old.gather(1, targets.clamp(0, base_size - 1)[:, None])[:, 0]
    )
    return (total - chosen) * real, real, is_new, column
