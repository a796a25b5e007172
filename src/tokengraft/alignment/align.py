"""One call for both ways of aligning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from tokengraft.alignment.boundaries import shared_boundaries
from tokengraft.alignment.conservative import aligned_positions
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.file import TokenizerFile


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two tokenizations of one text, and the pairs of positions at which both end at the same byte, in order."""

    base_ids: Int[np.ndarray, " base"]
    extended_ids: Int[np.ndarray, " extended"]
    base_positions: Int[np.ndarray, " shared"]
    extended_positions: Int[np.ndarray, " shared"]

    def swapped(self) -> "Alignment":
        """The same, seen from the other side."""
        return Alignment(self.extended_ids, self.base_ids, self.extended_positions, self.base_positions)


def align(text_or_ids: str | Sequence[int], base: Any, extended: Any) -> Alignment:
    """The shared boundaries of a text under two tokenizers, exact.

    `extended` is an `ExtendedTokenizer` of `base`, for which the ids of the extended encoding do as well as the text;
    or any other tokenizer (path, hub id, loaded object), compared by the bytes that its tokens cover.

    Raises:
        TokenizerError: `extended` extends another base, ids come without an extension, or a tokenizer does not keep the
            text.
    """
    first = TokenizerFile.load(base)
    if isinstance(extended, ExtendedTokenizer):
        return _by_pieces(text_or_ids, first, extended)
    if not isinstance(text_or_ids, str):
        raise TokenizerError(
            found="ids, and two tokenizers without a known relation",
            expected="ids of an ExtendedTokenizer, or the text",
            do="pass the text",
        )
    return _by_bytes(text_or_ids, first, TokenizerFile.load(extended))


def _by_pieces(text_or_ids: str | Sequence[int], base: TokenizerFile, extended: ExtendedTokenizer) -> Alignment:
    if base is not extended.base and base.fingerprint != extended.base.fingerprint:
        raise TokenizerError(
            found=f"an extension of {extended.base.name}, aligned with {base.name}",
            expected="the tokenizer that was extended",
            do="pass extended.base, or pass extended.file to compare by bytes",
        )
    encoded = extended.encode([text_or_ids])[0] if isinstance(text_or_ids, str) else text_or_ids
    ids = np.asarray(encoded, np.int64)
    parts = extended.decomposition
    return Alignment(parts.flatten(ids), ids, *aligned_positions(ids, parts))


def _by_bytes(text: str, base: TokenizerFile, other: TokenizerFile) -> Alignment:
    base_ids, other_ids = base.encode([text])[0], other.encode([text])[0]
    positions = shared_boundaries(byte_lengths(base, base_ids, text), byte_lengths(other, other_ids, text))
    return Alignment(np.asarray(base_ids, np.int64), np.asarray(other_ids, np.int64), *positions)


def byte_lengths(file: TokenizerFile, ids: Sequence[int], text: str) -> Int[np.ndarray, " tokens"]:
    """Bytes of `text` that each of `ids`, its encoding, covers.

    The space that SentencePiece puts before a text is no part of it and is taken off the first token. Lengths come from
    the vocabulary, not from `Encoding.offsets`, which count characters and so cannot see a boundary inside one.
    """
    spelled = [file.token_bytes(number) for number in ids]
    lengths = np.fromiter(map(len, spelled), np.int64, len(spelled))
    if spelled and spelled[0].startswith(b" ") and b"".join(spelled) == b" " + text.encode("utf-8"):
        lengths[0] -= 1
    return lengths
