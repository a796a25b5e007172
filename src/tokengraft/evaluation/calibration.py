"""Calibration of the new head rows: the probability that new tokens get, beside how often they truly come."""

from dataclasses import dataclass, field

import torch

from tokengraft.evaluation.passes import Chunk
from tokengraft.evaluation.sums import Ratio, Sums

BINS = 10


@dataclass(slots=True)
class Calibration:
    """Measure: mean probability mass on the new ids, and the rate at which the next token is one.

    Equal means say that the new rows are neither greedy nor shy on the whole; they may still err in both directions at
    single positions, which the bins of equal width show. A head row copied from the first piece gives up to four times
    the true rate.
    """

    base_size: int
    sums: Sums = field(default_factory=Sums)
    bins: Sums = field(default_factory=Sums)

    def add(self, chunk: Chunk) -> None:
        """Adds the mass at each position that has a next token."""
        old = chunk.logits[:, : self.base_size].logsumexp(1) - chunk.log_total
        # 1 − exp(x) loses every digit of a small mass; expm1 does not.
        mass = -torch.expm1(old)
        values = {"mass": mass * chunk.real, "new": chunk.targets >= self.base_size, "positions": chunk.real}
        self.sums.add(chunk.documents, values)
        self.bins.add((mass * BINS).long().clamp(0, BINS - 1), values)

    def ratios(self, documents: int) -> dict[str, Ratio]:
        """Mass and rate, by document."""
        return {
            "mass_on_new": self.sums.ratio("mass", "positions", documents),
            "rate_of_new": self.sums.ratio("new", "positions", documents),
        }

    def to_dict(self) -> dict[str, list[float]]:
        """Of each bin of the mass from 0 to 1: its positions, their mass added up, and the new tokens that came."""
        return {name: self.bins.by_document(name, BINS).tolist() for name in ("positions", "mass", "new")}

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of mass and rate over the bins, weighted by their positions."""
        mass, new = (self.bins.by_document(name, BINS) for name in ("mass", "new"))
        return float(abs(mass - new).sum()) / max(1.0, self.bins.total("positions"))

    @property
    def mass_on_new(self) -> float:
        """Mean probability of a new token; NaN if there was no position."""
        return self.sums.share("mass", "positions")

    @property
    def rate_of_new(self) -> float:
        """Share of the text's tokens that are new."""
        return self.sums.share("new", "positions")
