"""Retention: how far the extended model's predictions have moved from the base's, at bytes where both can be asked.

Mean KL(base ‖ extended) over shared boundaries. It misleads on its own: a model that learned the domain moves there on
purpose, so forgetting is read on text outside the domain.
"""

import math
from dataclasses import dataclass

from tokengraft.evaluation.passes import Chunk


@dataclass(slots=True)
class BoundaryKL:
    """Measure: KL(P ‖ Q) in nats at the last piece of every token, in float32, averaged in double precision.

    P is the base reading the original ids, Q the extended model reading its own, restricted to the rows [0, base_size)
    and renormalised, so that it is 0 exactly where both would predict alike among the tokens that both have. What Q
    puts on new tokens is `Calibration`'s matter.
    """

    base_size: int
    nats: float = 0.0
    positions: int = 0

    def add(self, chunk: Chunk) -> None:
        """Adds the divergence at each position."""
        assert chunk.teacher is not None, "the base's logits are needed"
        log_p = chunk.teacher.log_softmax(1)
        log_q = chunk.logits[:, : self.base_size].log_softmax(1)
        self.nats += log_p.sub(log_q).mul_(log_p.exp_()).sum(1).double().sum().item()
        self.positions += len(chunk.ids)

    @property
    def value(self) -> float:
        """Nats a position; NaN if there was none."""
        return self.nats / self.positions if self.positions else math.nan
