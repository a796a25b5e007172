"""What is kept of a teacher when its states are too large: its k largest logits, and one number for all others."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

LEAST = 1e-6
"""Probability below which the rest of the vocabulary is not told from nothing: float32 sums of 1 are off by as much."""


@dataclass(frozen=True, slots=True)
class TopTeacher:
    """The largest logits of each position, divided by the temperature, with the log-sum over all of them."""

    logits: Float[Tensor, "positions k"]
    ids: Int[Tensor, "positions k"]
    total: Float[Tensor, " positions"]

    @classmethod
    def of(cls, logits: Float[Tensor, "positions base"], k: int, temperature: float = 1.0) -> "TopTeacher":
        """What is kept of whole rows of logits."""
        logits = logits / temperature if temperature != 1 else logits
        top, ids = logits.topk(min(k, logits.shape[1]), 1)
        return cls(top, ids, logits.logsumexp(1))

    def at(self, where: slice) -> "TopTeacher":
        """Some of the positions."""
        return TopTeacher(self.logits[where].float(), self.ids[where].long(), self.total[where])

    def clone(self) -> "TopTeacher":
        """Itself: nothing is ever overwritten in it."""
        return self

    def divergence(self, student: Float[Tensor, "positions base"]) -> tuple[Tensor, Tensor]:
        """(KL in nats, its gradient at the student's logits), all tokens outside the k taken as one event.

        `student` is already divided by the temperature and is overwritten. Renormalising over the k instead gives
        another gradient (cosine 0.54 with the true one, design section 6).

        >>> zeros = torch.zeros(1, 4)
        >>> loss, gradient = TopTeacher.of(zeros, 2).divergence(zeros.clone())
        >>> round(loss.item(), 6), gradient.abs().max().item() < 1e-6
        (0.0, True)
        """
        log_q = torch.log_softmax(student, 1)
        chosen = log_q.gather(1, self.ids)
        log_p = self.logits - self.total[:, None]
        p, q = log_p.exp(), chosen.exp()
        rest_p, rest_q = ((1 - part.sum(1)).clamp_min(LEAST) for part in (p, q))
        loss = ((log_p - chosen) * p).sum(1) + rest_p * (rest_p.log() - rest_q.log())
        share = (rest_p / rest_q)[:, None]
        gradient = log_q.exp_().mul_(1 - share)
        return loss, gradient.scatter_add_(1, self.ids, q * share - p)
