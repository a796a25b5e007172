"""How many tokens a text takes before and after."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tokengraft.tokenizer.extended import ExtendedTokenizer

BATCH = 256
"""Texts encoded in one call."""


@dataclass(frozen=True, slots=True)
class Fertility:
    """Sizes of the same text under both tokenizers.

    >>> Fertility(bytes=400, documents=2, tokens_base=100, tokens_extended=75, documents_longer=0).saved
    0.25
    """

    bytes: int
    documents: int
    tokens_base: int
    tokens_extended: int
    documents_longer: int
    """Documents that take more tokens than before; 0 for every conservative extension."""

    @property
    def saved(self) -> float:
        """Share of the tokens that are saved; 0 for no text."""
        return 1 - self.tokens_extended / self.tokens_base if self.tokens_base else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def fertility(extended: ExtendedTokenizer, texts: Iterable[str]) -> Fertility:
    """Bytes of UTF-8 and tokens of `texts` under both tokenizers; texts are read as they come, in batches."""
    size = documents = base_total = extended_total = longer = 0
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        before = [len(ids) for ids in extended.base.encode(batch)]
        after = [len(ids) for ids in extended.encode(batch)]
        size += sum(len(text.encode("utf-8")) for text in batch)
        documents += len(batch)
        base_total += sum(before)
        extended_total += sum(after)
        longer += sum(new > old for old, new in zip(before, after, strict=True))
    return Fertility(size, documents, base_total, extended_total, longer)
