"""The figures of one variant of a model, as `metrics.json` holds them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokengraft.config import EvaluationConfig
from tokengraft.evaluation.adoption import adoption
from tokengraft.evaluation.artefacts import double_subwords
from tokengraft.evaluation.generation import Continuation
from tokengraft.evaluation.paired_text import BaseHead, BaseReading, PairedText, read_base
from tokengraft.evaluation.passes import BATCH_TOKENS, measure
from tokengraft.evaluation.reader import Reader
from tokengraft.evaluation.readings import PARTS, Card, Measures, PartReading, Reading, base_part, number
from tokengraft.model.load import context_length
from tokengraft.tokenizer import Decomposition, ExtendedTokenizer, TokenizerFile


@dataclass(frozen=True, slots=True)
class Scorer:
    """Held-out text, read once by the base, on which any number of variants can then be scored."""

    extension: ExtendedTokenizer
    head: BaseHead
    texts: Mapping[str, tuple[PairedText, BaseReading]]
    batch_tokens: int = BATCH_TOKENS

    @classmethod
    def begin(
        cls,
        model: Any,
        extension: ExtendedTokenizer,
        *,
        domain: Sequence[str],
        general: Sequence[str] = (),
        settings: EvaluationConfig | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        batch_tokens: int = BATCH_TOKENS,
    ) -> "Scorer":
        """A scorer with the base's own figures; `model` is the base, or a grown model that still has its rows.

        `names` are the documents', by part; `batch_tokens` bounds rows × width of a forward pass.

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
                    names=(names or {}).get(name, ()),
                )
                texts[name] = text, read_base(model, extension.base_size, text, f"base reads {name}", batch_tokens)
        return cls(extension, BaseHead.of(Reader.of(model, extension.base_size)), texts, batch_tokens)

    def base(self) -> Card:
        """The base's entry in `metrics.json`: KL to itself is 0, and it has no new token to double."""
        return self.base_reading().card()

    def base_reading(self) -> Reading:
        """What the base made of the texts."""
        return Reading("base", {name: base_part(text, read) for name, (text, read) in self.texts.items()})

    def score(self, name: str, model: Any) -> Card:
        """The entry of a grown model called `name`.

        Raises:
            ModelError: the model makes logits of hidden states in a way that is not known.
        """
        return self.read(name, model).card()

    def read(self, name: str, model: Any, *, extended: bool = True) -> Reading:
        """What a model called `name` makes of the texts; not `extended`: a model that reads the base's own ids.

        Raises:
            ModelError: the model makes logits of hidden states in a way that is not known.
        """
        reader = Reader.of(model, self.extension.size if extended else self.extension.base_size)
        return Reading(name, {part: self._read_part(reader, name, part, extended) for part in self.texts})

    def control(self, name: str, model: Any) -> Card:
        """The entry of a model that was trained on, and reads, the base's own tokenization.

        Its KL to the base is taken at the bytes where the extended tokenization has boundaries too, as for the others.
        """
        return self.read(name, model, extended=False).card()

    def _read_part(self, reader: Reader, name: str, part: str, extended: bool) -> PartReading:
        text, base = self.texts[part]
        measures = Measures.of(self.extension, extended)
        rows = text.extended_rows(base) if extended else text.base_rows(base)
        measure(
            reader, rows, measures.all(), what=f"{name} reads {part}", teacher=self.head, batch_tokens=self.batch_tokens
        )
        return measures.part(text)


def generation_score(
    written: Iterable[Continuation], tokenizer: TokenizerFile, decomposition: Decomposition
) -> dict[str, float | None]:
    """How a model uses its new tokens in what it wrote, and at which speed: see `adoption` and `artefacts`.

    None: nothing to count. Speed holds for the machine, and for as many texts at a time as were written together.
    """
    entries = list(written)
    rows = [entry.ids for entry in entries]
    used = adoption(rows, tokenizer, decomposition.base_size)
    counts = [double_subwords(ids, decomposition) for ids in rows]
    doubled, occurrences = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    size, steps, seconds = (sum(getattr(entry, name) for entry in entries) for name in ("bytes", "steps", "seconds"))
    return {
        "tokens": used.tokens,
        "canonical_ratio": number(used.canonical_ratio),
        "adopted": number(used.adopted),
        "new_possible": used.new_possible,
        "double_subword_rate": number(doubled / occurrences if occurrences else math.nan),
        "bytes_per_step": number(size / steps if steps else math.nan),
        "bytes_per_second": number(size / seconds if seconds else math.nan),
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
