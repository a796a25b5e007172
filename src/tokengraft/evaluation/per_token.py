"""Which new tokens were learned: each one's own figures, where it comes and right behind it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.evaluation.passes import Chunk
from tokengraft.evaluation.sums import Sums

BIT = math.log(2)
"""Nats by which a token may be dearer than its pieces were to the base, and still count as learned."""

VERDICTS = ("learned", "written only", "read only", "not learned", "not seen")


@dataclass(slots=True)
class PerToken:
    """Measure: sums of each new token as the next one (written) and as the one just read.

    What is written is set against the base's cost of the same bytes, by its pieces; what is read against the base's
    cost of whatever comes next, from the same byte on. Both tell learning from text that is merely hard.
    """

    base_size: int
    size: int
    sums: Sums = field(default_factory=Sums)

    def add(self, chunk: Chunk) -> None:
        """Looks at every new token, as target and as the id just read."""
        self._written(chunk)
        self._read(chunk)
        self._moved(chunk)

    def _written(self, chunk: Chunk) -> None:
        where = chunk.targets >= self.base_size
        hits = chunk.greedy == chunk.targets
        self._add(where, chunk.targets, {"seen": torch.ones_like(chunk.nats), "first": hits, "nats": chunk.nats})
        self._against_base(where, chunk.targets, chunk, "written")

    def _read(self, chunk: Chunk) -> None:
        self._against_base((chunk.ids >= self.base_size) & chunk.real, chunk.ids, chunk, "read")

    def _moved(self, chunk: Chunk) -> None:
        ids = chunk.shared(chunk.ids)
        if ids is not None and chunk.teacher is not None:
            self._add(ids >= self.base_size, ids, {"kl": chunk.kl, "behind": torch.ones_like(chunk.kl)})

    def _against_base(self, where: Tensor, ids: Tensor, chunk: Chunk, name: str) -> None:
        if chunk.base_nats is None:
            return
        known = where & chunk.base_nats.isfinite()
        values = {"nats": chunk.nats, "base": chunk.base_nats, "n": torch.ones_like(chunk.nats)}
        self._add(known, ids, {f"{name} {key}": value for key, value in values.items()})

    def _add(self, where: Tensor, ids: Tensor, values: Mapping[str, Tensor]) -> None:
        places = (ids[where] - self.base_size).cpu()
        if len(places):
            self.sums.add(places, {name: value[where] for name, value in values.items()})

    def rows(self) -> list[dict[str, Any]]:
        """Figures of each new token in the order of their ids; None where there was nothing to measure."""
        size = self.size - self.base_size
        names = ("seen", "first", "nats", "kl", "behind", "written nats", "written base", "written n", "read nats",
                 "read base", "read n")  # fmt: skip
        columns = {name: self.sums.by_document(name, size) for name in names}
        return [_row({name: column[place] for name, column in columns.items()}) for place in range(size)]


def _row(sums: Mapping[str, Float[np.ndarray, ""]]) -> dict[str, Any]:
    def mean(over: str, under: str) -> float | None:
        return float(sums[over] / sums[under]) if sums[under] else None

    def change(name: str) -> float | None:
        return float((sums[f"{name} nats"] - sums[f"{name} base"]) / sums[f"{name} n"]) if sums[f"{name} n"] else None

    nats = mean("nats", "seen")
    row = {
        "count": round(float(sums["seen"])),
        "top1": mean("first", "seen"),
        "log_prob": None if nats is None else -nats,
        "kl_after": mean("kl", "behind"),
        "written_change": change("written"),
        "read_change": change("read"),
    }
    return {**row, "verdict": verdict(row["written_change"], row["read_change"])}


def verdict(written: float | None, read: float | None) -> str:
    """What became of a token, from what it costs beyond the base's pieces, in nats: a bit more at most is learned.

    >>> verdict(-0.2, 0.1), verdict(3.0, 0.1), verdict(None, None)
    ('learned', 'read only', 'not seen')
    """
    if written is None and read is None:
        return "not seen"
    writes, reads = (cost is None or cost <= BIT for cost in (written, read))
    if writes and reads:
        return "learned"
    return "written only" if writes else "read only" if reads else "not learned"
