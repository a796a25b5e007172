"""The model of a tokenizer without its pipeline: what it is given is one pre-token, already spelled."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from tokenizers import AddedToken, Tokenizer

from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Words

BATCH = 20_000
"""Pre-tokens encoded in one call: enough for all cores, little enough that the library's encodings stay small."""

ROW = 500
"""Pre-tokens that stand in one text: a batch holds several texts, for all cores."""

SEPARATOR = "\U0010fffe"
"""A code point that is no character, and that text should not hold."""


def model_alone(file: TokenizerFile) -> Tokenizer:
    """The model, shared with the tokenizer."""
    return Tokenizer(file.tokenizer.model)


def merges_alone(file: TokenizerFile) -> Tokenizer:
    """The model with `ignore_merges` off."""
    model = file.document["model"]
    if not model.get("ignore_merges"):
        return model_alone(file)
    # The library shares a model instead of copying it, so the flag cannot be switched in place.
    return TokenizerFile({"version": "1.0", "added_tokens": [], "model": {**model, "ignore_merges": False}}).tokenizer


def encoded_words(
    model: Tokenizer, counts: Mapping[str, int], spell: Callable[[Sequence[str]], Sequence[str]] = list
) -> Words:
    """Pre-tokens with their counts, a batch at a time: what is kept of them is arrays of numbers."""
    rows = iter(counts.items())
    row = Row.of(model)
    parts: list[Words] = []
    while batch := list(islice(rows, BATCH)):
        pretokens, numbers = zip(*batch, strict=True)
        spelled = spell(pretokens)
        words = None if row is None else row.words(spelled, numbers)
        parts.append(Words.of(encoded(model, spelled), numbers) if words is None else words)
    return Words.joined(parts)


@dataclass(frozen=True, slots=True)
class Row:
    """Encodes many pre-tokens as one text, which takes half the time of as many texts: no result for each is made.

    Between them stands an added token, so the model sees each alone.
    """

    tokenizer: Tokenizer
    separator: int

    @classmethod
    def of(cls, model: Tokenizer) -> "Row | None":
        """None where the library would give the separator an id that the model has."""
        tokenizer = Tokenizer(model.model)
        tokenizer.add_special_tokens([AddedToken(SEPARATOR, normalized=False, special=True)])
        number = tokenizer.token_to_id(SEPARATOR)
        return (
            None if number is None or Tokenizer(model.model).id_to_token(number) is not None else cls(tokenizer, number)
        )

    def words(self, spelled: Sequence[str], counts: Sequence[int]) -> Words | None:
        """The pre-tokens with their counts; None where one holds the separator itself."""
        rows = [SEPARATOR.join([*spelled[start : start + ROW], ""]) for start in range(0, len(spelled), ROW)]
        results = self.tokenizer.encode_batch_fast(rows, add_special_tokens=False)
        ids = np.concatenate([np.asarray(result.ids, np.int64) for result in results])
        ends = np.flatnonzero(ids == self.separator)
        if len(ends) != len(spelled):
            return None
        return Words(np.delete(ids, ends), np.diff(ends, prepend=-1) - 1, np.asarray(counts, np.int64))


def encoded(model: Tokenizer, spelled: Sequence[str]) -> list[list[int]]:
    """Ids of each pre-token."""
    ids: list[list[int]] = []
    for start in range(0, len(spelled), BATCH):
        batch = list(spelled[start : start + BATCH])
        ids.extend(encoding.ids for encoding in model.encode_batch_fast(batch, add_special_tokens=False))
    return ids
