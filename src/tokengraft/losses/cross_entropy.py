"""Cross-entropy over the extended vocabulary, for the head's new rows."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.losses import head_objectives


@head_objectives.register("ce", paper="next-token cross-entropy; only the new columns carry gradient")
def ce(
    old: Float[Tensor, "positions base"], new: Float[Tensor, "positions new"], targets: Int[Tensor, " positions"]
) -> tuple[Float[Tensor, " positions"], Float[Tensor, "positions new"]]:
    """−ln p(target) in nats over old and new tokens together; 0 where there is no target.

    The old columns enter through one number a position, their log-sum: that is all the new rows' gradient needs.

    >>> loss, gradient = ce(torch.zeros(1, 3), torch.zeros(1, 1), torch.tensor([3]))
    >>> round(loss.item(), 4), gradient.tolist()
    (1.3863, [[-0.75]])
    """
    base_size = old.shape[1]
    total = torch.logaddexp(old.logsumexp(1), new.logsumexp(1))
    real = targets >= 0
    is_new = targets >= base_size
    column = (targets - base_size).clamp_min(0)[:, None]
    chosen = torch.where(
        is_new, new.gather(1, column)[:, 0], old.gather(1, targets.clamp(0, base_size - 1)[:, None])[:, 0]
    )
    loss = (total - chosen) * real
    gradient = new.sub_(total[:, None]).exp_()
    gradient.scatter_add_(1, column, -is_new[:, None].to(gradient.dtype))
    return loss, gradient.mul_(real[:, None])
