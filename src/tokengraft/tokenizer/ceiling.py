"""How much any extension could save: merges stay inside pre-tokens, so each of these costs one token at least."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tokengraft.corpus import count_pretokens
from tokengraft.tokenizer.families import Family


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The tokens of a text, and the fewest that the split pattern allows.

    >>> Ceiling(tokens=100, least=60).share
    0.4
    """

    tokens: int
    least: int

    @property
    def share(self) -> float:
        """Share of the tokens that can be saved at most; 0 for no text."""
        return 1 - self.least / self.tokens if self.tokens else 0.0


def ceiling(family: Family, counts: Mapping[str, int]) -> Ceiling:
    """The ceiling on counted pre-tokens. Counts that are capped per document understate the frequent ones."""
    words = family.words(counts)
    # A pre-token that encodes as nothing can save nothing.
    return Ceiling(words.total, int(words.counts[words.lengths > 0].sum()))


def ceiling_of_texts(family: Family, texts: Iterable[str]) -> Ceiling:
    """The ceiling on these texts, every pre-token counted as often as it occurs."""
    return ceiling(family, count_pretokens(texts, family.splitter(), max_per_document=sys.maxsize))
