"""The figures of one variant of a model, as `metrics.json` holds them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokengraft.config import EvaluationConfig
from tokengraft.evaluation.adoption import adoption
from tokengraft.evaluation.artefacts import DoubleSubword, double_subwords
from tokengraft.evaluation.bits_per_byte import BitsPerByte, Cost
from tokengraft.evaluation.calibration import Calibration
from tokengraft.evaluation.paired_text import BaseHead, BaseReading, PairedText, read_base
from tokengraft.evaluation.passes import measure
from tokengraft.evaluation.reader import Reader
from tokengraft.evaluation.recall import NewTokenRecall
from tokengraft.evaluation.retention import BoundaryKL
from tokengraft.model.load import context_length
from tokengraft.tokenizer import Decomposition, ExtendedTokenizer, TokenizerFile

Card = dict[str, Any]

PARTS = ("domain", "general")


@dataclass(frozen=True, slots=True)
class Scorer:
    """Held-out text, read once by the base, on which any number of variants can then be scored."""

    extension: ExtendedTokenizer
    head: BaseHead
    texts: Mapping[str, tuple[PairedText, BaseReading]]

    @classmethod
    def begin(
        cls,
        model: Any,
        extension: ExtendedTokenizer,
        *,
        domain: Sequence[str],
        general: Sequence[str] = (),
        settings: EvaluationConfig | None = None,
    ) -> "Scorer":
        """A scorer with the base's own figures; `model` is the base, or a grown model that still has its rows.

        Raises:
            ModelError: the model makes logits of hidden states in a way that is not known.
        """
        chosen = settings or EvaluationConfig()
        texts: dict[str, tuple[PairedText, BaseReading]] = {}
        for name, documents in zip(PARTS, (domain, general), strict=True):
            if documents:
                text = PairedText.of(
                    documents,
                    extension,
                    context=context_length(model),
                    window_bytes=chosen.window_bytes,
                    max_bytes=chosen.max_bytes,
                )
                texts[name] = text, read_base(model, extension.base_size, text, f"base reads {name}")
        return cls(extension, BaseHead.of(Reader.of(model, extension.base_size)), texts)

    def base(self) -> Card:
        """The base's entry in `metrics.json`: KL to itself is 0, and it has no new token to double."""
        return self._card("base", {name: _base_score(reading) for name, (_, reading) in self.texts.items()})

    def score(self, name: str, model: Any) -> Card:
        """The entry of a grown model called `name`.

        Raises:
            ModelError: the model makes logits of hidden states in a way that is not known.
        """
        reader = Reader.of(model, self.extension.size)
        return self._card(name, {part: self._variant_score(reader, name, part) for part in self.texts})

    def _variant_score(self, reader: Reader, name: str, part: str) -> dict[str, float | None]:
        text, base = self.texts[part]
        size = self.extension.base_size
        cost, kl, doubles = Cost(), BoundaryKL(size), DoubleSubword(self.extension.decomposition)
        mass, recall = Calibration(size), NewTokenRecall(size)
        measures = [cost, kl, doubles, mass, recall]
        measure(reader, text.extended_rows(base), measures, what=f"{name} reads {part}", teacher=self.head)
        return _cost(cost.over(text.bytes)) | {
            "kl_to_base": _number(kl.value),
            "double_subword_rate": _number(doubles.rate),
            "double_subword_rate_in_text": _number(doubles.rate_in_text),
            "mass_on_new": _number(mass.mass_on_new),
            "rate_of_new": _number(mass.rate_of_new),
            "new_token_top1": _number(recall.top1),
            "new_token_mrr": _number(recall.mrr),
        }

    def _card(self, name: str, scores: Mapping[str, dict[str, float | None]]) -> Card:
        return {"name": name, **{part: scores.get(part) for part in PARTS}}


def _base_score(reading: BaseReading) -> dict[str, float | None]:
    return _cost(reading.bits) | {"kl_to_base": 0.0, "double_subword_rate": None}


def _cost(bits: BitsPerByte) -> dict[str, float | None]:
    return {"bits_per_byte": _number(bits.value), "bytes": bits.bytes, "tokens": bits.tokens}


def generation_score(
    generated: Iterable[Sequence[int]], tokenizer: TokenizerFile, decomposition: Decomposition
) -> dict[str, float | None]:
    """How a model uses its new tokens in what it wrote: see `adoption` and `artefacts`. None: nothing to count."""
    rows = [list(ids) for ids in generated]
    used = adoption(rows, tokenizer, decomposition.base_size)
    counts = [double_subwords(ids, decomposition) for ids in rows]
    doubled, occurrences = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    return {
        "tokens": used.tokens,
        "canonical_ratio": _number(used.canonical_ratio),
        "adopted": _number(used.adopted),
        "new_possible": used.new_possible,
        "double_subword_rate": _number(doubled / occurrences if occurrences else math.nan),
    }


def gap_closed(base: Card, initialised: Card, distilled: Card) -> float | None:
    """Share of the gap in domain bits per byte, from base to initialised, that distillation closed; over 1 beyond it.

    None where initialising lost nothing.

    >>> cards = [{"domain": {"bits_per_byte": bits}} for bits in (1.0, 2.0, 1.2)]
    >>> round(gap_closed(*cards), 6)
    0.8
    """
    low, high, now = (card["domain"]["bits_per_byte"] for card in (base, initialised, distilled))
    return (high - now) / (high - low) if high > low else None


def _number(value: float) -> float | None:
    """JSON has no NaN: what could not be measured is null."""
    return value if math.isfinite(value) else None
