"""What a model made of the held-out texts: figures for `metrics.json`, and the details behind them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tokengraft.evaluation.artefacts import DoubleSubword
from tokengraft.evaluation.bits_per_byte import Cost
from tokengraft.evaluation.calibration import Calibration
from tokengraft.evaluation.intervals import interval
from tokengraft.evaluation.paired_text import BaseReading, PairedText
from tokengraft.evaluation.passes import Measure
from tokengraft.evaluation.per_token import PerToken
from tokengraft.evaluation.recall import NewTokenRecall
from tokengraft.evaluation.retention import BoundaryKL, KLByDistance
from tokengraft.evaluation.sums import Ratio
from tokengraft.tokenizer import ExtendedTokenizer

Card = dict[str, Any]

PARTS = ("domain", "general")


@dataclass(frozen=True, slots=True)
class PartReading:
    """One text under one model."""

    text: PairedText
    cost: Cost
    ratios: Mapping[str, Ratio]
    """Figures as sums by document."""
    calibration: Calibration | None = None
    distances: KLByDistance | None = None
    tokens: PerToken | None = None

    def card(self) -> Card:
        """Figures, each with its interval."""
        bits = self.cost.over(self.text.bytes)
        figures: Card = {"bytes": bits.bytes, "tokens": bits.tokens, "documents": len(self.text.sizes)}
        figures |= {name: number(ratio.value) for name, ratio in self.ratios.items()}
        figures |= {name: None for name in ("kl_to_base", "double_subword_rate") if name not in figures}
        if self.calibration is not None:
            figures["calibration_error"] = self.calibration.error
        return {**figures, "intervals": {name: interval(ratio) for name, ratio in self.ratios.items()}}

    def detail(self) -> dict[str, Any]:
        """Sums by document, and what the page plots."""
        count = len(self.text.sizes)
        documents = {
            "name": self.text.names,
            "bytes": self.text.sizes.tolist(),
            **{name: self.cost.sums.by_document(name, count).tolist() for name in ("nats", "tokens")},
        }
        return {
            "documents": documents,
            "calibration": self.calibration and self.calibration.to_dict(),
            "kl_by_distance": self.distances and self.distances.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """All texts under one model."""

    name: str
    parts: Mapping[str, PartReading]

    def card(self) -> Card:
        """The model's entry in `metrics.json`."""
        return {"name": self.name, **{part: self.parts[part].card() if part in self.parts else None for part in PARTS}}

    def detail(self) -> dict[str, Any]:
        """The model's file in `evaluation/`."""
        return {"name": self.name, **{name: part.detail() for name, part in self.parts.items()}}

    def tokens(self) -> list[dict[str, Any]] | None:
        """Figures of each new token on domain text; None for a model that has none."""
        domain = self.parts.get("domain")
        return domain.tokens.rows() if domain is not None and domain.tokens is not None else None


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything that one pass over a text adds up; the last ones only for a model that has new tokens."""

    cost: Cost
    kl: BoundaryKL
    doubles: DoubleSubword | None = None
    calibration: Calibration | None = None
    recall: NewTokenRecall | None = None
    distances: KLByDistance | None = None
    tokens: PerToken | None = None

    @classmethod
    def of(cls, extension: ExtendedTokenizer, extended: bool) -> "Measures":
        """Fresh ones."""
        base, size = extension.base_size, extension.size
        if not extended:
            return cls(Cost(), BoundaryKL())
        return cls(
            Cost(), BoundaryKL(), DoubleSubword(extension.decomposition), Calibration(base), NewTokenRecall(base),
            KLByDistance(), PerToken(base, size),
        )  # fmt: skip

    def all(self) -> list[Measure]:
        """Those that there are."""
        each = (self.cost, self.kl, self.doubles, self.calibration, self.recall, self.distances, self.tokens)
        return [one for one in each if one is not None]

    def part(self, text: PairedText) -> PartReading:
        """What they found in this text."""
        sizes = text.sizes.astype(np.float64)
        ratios = self.cost.ratios(sizes) | self.kl.ratios(len(sizes))
        for each in (self.doubles, self.calibration, self.recall):
            if each is not None:
                ratios |= each.ratios(len(sizes))
        return PartReading(text, self.cost, ratios, self.calibration, self.distances, self.tokens)


def base_part(text: PairedText, read: BaseReading) -> PartReading:
    """The base's own reading: it differs from itself nowhere."""
    sizes = text.sizes.astype(np.float64)
    nothing = Ratio(np.zeros(len(sizes)), np.ones(len(sizes)))
    return PartReading(text, read.cost, read.cost.ratios(sizes) | {"kl_to_base": nothing})


def number(value: float) -> float | None:
    """JSON has no NaN: what could not be measured is null."""
    return value if math.isfinite(value) else None
