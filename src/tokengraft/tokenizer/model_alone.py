"""The model of a tokenizer without its pipeline: what it is given is one pre-token, already spelled."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from tokenizers import Tokenizer

from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Words

BATCH = 20_000
"""Pre-tokens encoded in one call: enough for all cores, little enough that the library's encodings stay small."""


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
    parts: list[Words] = []
    while batch := list(islice(rows, BATCH)):
        pretokens, numbers = zip(*batch, strict=True)
        parts.append(Words.of(encoded(model, spell(pretokens)), numbers))
    return Words.joined(parts)


def encoded(model: Tokenizer, spelled: Sequence[str]) -> list[list[int]]:
    """Ids of each pre-token."""
    ids: list[list[int]] = []
    for start in range(0, len(spelled), BATCH):
        batch = list(spelled[start : start + BATCH])
        ids.extend(encoding.ids for encoding in model.encode_batch_fast(batch, add_special_tokens=False))
    return ids
