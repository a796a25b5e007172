"""The model of a tokenizer without its pipeline: what it is given is one pre-token, already spelled."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from tokengraft.tokenizer.file import TokenizerFile

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


def encoded(model: Tokenizer, spelled: Sequence[str]) -> list[list[int]]:
    """Ids of each pre-token."""
    ids: list[list[int]] = []
    for start in range(0, len(spelled), BATCH):
        batch = list(spelled[start : start + BATCH])
        ids.extend(encoding.ids for encoding in model.encode_batch_fast(batch, add_special_tokens=False))
    return ids
