"""Calibration of the new head rows: the probability that new tokens get, beside how often they truly come."""

import math
from dataclasses import dataclass

import torch

from tokengraft.evaluation.passes import Chunk


@dataclass(slots=True)
class Calibration:
    """Measure: mean probability mass on the new ids, and the rate at which the next token is one.

    Equal means say that the new rows are neither greedy nor shy on the whole; they may still err in both directions at
    single positions. A head row copied from the first piece gives up to four times the true rate.
    """

    base_size: int
    mass: float = 0.0
    new: int = 0
    positions: int = 0

    def add(self, chunk: Chunk) -> None:
        """Adds the mass at each position that has a next token."""
        real = chunk.targets >= 0
        old = chunk.logits[:, : self.base_size].logsumexp(1) - chunk.log_total
        # 1 − exp(x) loses every digit of a small mass; expm1 does not.
        self.mass += -torch.expm1(old)[real].double().sum().item()
        self.new += int((chunk.targets >= self.base_size).sum())
        self.positions += int(real.sum())

    @property
    def mass_on_new(self) -> float:
        """Mean probability of a new token; NaN if there was no position."""
        return self.mass / self.positions if self.positions else math.nan

    @property
    def rate_of_new(self) -> float:
        """Share of the text's tokens that are new."""
        return self.new / self.positions if self.positions else math.nan
