"""The head's true target: what the teacher says of a new token is, by the chain rule, what it says of its pieces."""

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.losses import TEACHER, HeadChunk, head_objectives


@head_objectives.register("chain-rule", paper="docs/chain_rule.md, eq. 3", needs=(TEACHER,))
def chain_rule(chunk: HeadChunk) -> tuple[Float[Tensor, " positions"], Float[Tensor, "positions new"]]:
    """Cross-entropy with the teacher's own distribution over old and new tokens as target; 0 where there is no target.

    p(new | context) = Π p(piece k | context, pieces before), less what longer new tokens take of it; the mass comes out
    of the first piece. The gradient at a new logit is student's probability − teacher's. See `losses.soft_targets`.

    >>> half = HeadChunk(torch.zeros(1, 1), torch.zeros(1, 1), torch.tensor([0]), torch.tensor([[0.5]]), torch.zeros(1))
    >>> loss, gradient = chain_rule(half)
    >>> round(loss.item(), 4), gradient.tolist()
    (0.6931, [[0.0]])
    """
    assert chunk.soft is not None
    assert chunk.soft_old is not None
    real = chunk.targets >= 0
    total = torch.logaddexp(chunk.old_total, chunk.new.logsumexp(1))
    loss = total - chunk.soft_old - (chunk.soft * chunk.new).sum(1)
    gradient = chunk.new.sub_(total[:, None]).exp_().sub_(chunk.soft)
    return loss * real, gradient.mul_(real[:, None])
