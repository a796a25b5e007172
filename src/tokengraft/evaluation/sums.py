"""Sums by document, in double precision: what a measure keeps, so that its figure can be resampled by document."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure as the sum of `over` divided by the sum of `under`, both by document.

    >>> Ratio(np.array([1.0, 2.0]), np.array([4.0, 8.0])).value
    0.25
    """

    over: Float[np.ndarray, " documents"]
    under: Float[np.ndarray, " documents"]

    @property
    def value(self) -> float:
        """The figure over all documents; NaN where there is nothing to divide by."""
        total = float(self.under.sum())
        return float(self.over.sum()) / total if total else math.nan

    def scaled(self, factor: float) -> "Ratio":
        """The same figure in another unit."""
        return Ratio(self.over * factor, self.under)


class Sums:
    """Named sums by document, which grow as documents come."""

    def __init__(self) -> None:
        self._totals: dict[str, Float[np.ndarray, " documents"]] = {}

    def add(self, documents: Tensor | None, values: Mapping[str, Tensor]) -> None:
        """Adds values of positions to the documents that the positions belong to; None: all to the first one."""
        for name, each in values.items():
            weights = each.detach().double().cpu().numpy()
            places = np.zeros(len(weights), np.int64) if documents is None else documents.cpu().numpy()
            found = np.bincount(places, weights, minlength=1)
            before = self._totals.get(name, np.zeros(1))
            size = max(len(before), len(found))
            self._totals[name] = _grown(before, size) + _grown(found, size)

    def by_document(self, name: str, documents: int) -> Float[np.ndarray, " documents"]:
        """Sum of each of `documents` documents."""
        return _grown(self._totals.get(name, np.zeros(1)), documents)[:documents]

    def total(self, name: str) -> float:
        """Sum over all documents."""
        return float(self._totals.get(name, np.zeros(1)).sum())

    def count(self, name: str) -> int:
        """A sum of ones, as a whole number."""
        return round(self.total(name))

    def share(self, over: str, under: str) -> float:
        """One total by another; NaN where there is nothing to divide by."""
        return self.total(over) / self.total(under) if self.total(under) else math.nan

    def ratio(self, over: str, under: str, documents: int) -> Ratio:
        """The same by document."""
        return Ratio(self.by_document(over, documents), self.by_document(under, documents))


def _grown(values: Float[np.ndarray, " few"], size: int) -> Float[np.ndarray, " many"]:
    return np.concatenate([values, np.zeros(max(0, size - len(values)))])
