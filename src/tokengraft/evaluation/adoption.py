"""Adoption: does the model, when it writes, use its new tokens as its tokenizer would?"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tokengraft.tokenizer import TokenizerFile


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a model wrote, beside what its tokenizer makes of the same text."""

    tokens: int
    canonical: int
    """Generated tokens that stand at the same bytes in the re-encoded text."""
    new: int
    new_possible: int
    """New tokens in the re-encoded text."""

    @property
    def canonical_ratio(self) -> float:
        """Share of the generated tokens that the tokenizer would have made; NaN for no token."""
        return self.canonical / self.tokens if self.tokens else math.nan

    @property
    def adopted(self) -> float:
        """New tokens written for each that could have been; NaN where none could."""
        return self.new / self.new_possible if self.new_possible else math.nan


def adoption(generated: Iterable[Sequence[int]], tokenizer: TokenizerFile, base_size: int) -> Adoption:
    """Adoption over generated rows of ids, prompts left out: a prompt cut inside a word is not the model's doing.

    High ratios are easy for a model that never meets a new token: read them beside `new_possible`.
    """
    rows = [list(ids) for ids in generated]
    again = tokenizer.encode([tokenizer.decode(ids) for ids in rows])
    canonical = sum(
        len(_spans(ids, tokenizer) & _spans(canon, tokenizer)) for ids, canon in zip(rows, again, strict=True)
    )
    return Adoption(sum(map(len, rows)), canonical, _new(rows, base_size), _new(again, base_size))


def _spans(ids: Sequence[int], tokenizer: TokenizerFile) -> set[tuple[int, int, int]]:
    """Each token with the bytes that it covers."""
    ends = list(accumulate(len(tokenizer.token_bytes(number)) for number in ids))
    return set(zip([0, *ends], ends, ids, strict=False))


def _new(rows: Iterable[Sequence[int]], base_size: int) -> int:
    return sum(number >= base_size for row in rows for number in row)
