"""Retention: how far the extended model's predictions have moved from the base's, at bytes where both can be asked.

Mean KL(base ‖ extended) over shared boundaries. It misleads on its own: a model that learned the domain moves there on
purpose, so forgetting is read on text outside the domain.
"""

from dataclasses import dataclass, field

import torch

from tokengraft.evaluation.passes import Chunk
from tokengraft.evaluation.sums import Ratio, Sums

FARTHEST = 32
"""Tokens after a new one that are told apart; those farther on are put together."""


@dataclass(slots=True)
class BoundaryKL:
    """Measure: KL(P ‖ Q) in nats at the last piece of every token, in float32, averaged in double precision.

    P is the base reading the original ids, Q the extended model reading its own, restricted to the rows that the base
    has and renormalised, so that it is 0 exactly where both would predict alike among the tokens that both have. What Q
    puts on new tokens is `Calibration`'s matter.
    """

    sums: Sums = field(default_factory=Sums)

    def add(self, chunk: Chunk) -> None:
        """Adds the divergence at each position."""
        self.sums.add(chunk.shared(chunk.documents), {"nats": chunk.kl, "positions": torch.ones_like(chunk.kl)})

    def ratios(self, documents: int) -> dict[str, Ratio]:
        """Nats a position, by document."""
        return {"kl_to_base": self.sums.ratio("nats", "positions", documents)}

    @property
    def value(self) -> float:
        """Nats a position; NaN if there was none."""
        return self.sums.share("nats", "positions")


@dataclass(slots=True)
class KLByDistance:
    """Measure: the same divergence by the number of ids since the last new token: 0 is the new token itself."""

    sums: Sums = field(default_factory=Sums)

    def add(self, chunk: Chunk) -> None:
        """Adds the divergence at each position behind a new token; where the distance is not known nothing is added."""
        since = chunk.shared(chunk.since)
        if since is None:
            return
        behind = since >= 0
        nats = chunk.kl[behind]
        self.sums.add(since[behind].clamp_max(FARTHEST), {"nats": nats, "positions": torch.ones_like(nats)})

    def to_dict(self) -> dict[str, list[float]]:
        """Mean nats and positions at each distance 0, 1, …; the last entry is of all that are as far or farther."""
        nats, positions = (self.sums.by_document(name, FARTHEST + 1) for name in ("nats", "positions"))
        last = int(positions.nonzero()[0].max(initial=-1)) + 1
        means = [n / p if p else 0.0 for n, p in zip(nats[:last], positions[:last], strict=True)]
        return {"nats": means, "positions": positions[:last].tolist()}
