"""Where two tokenizations of one text end a token at the same byte."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from tokengraft.alignment.aligners import Alignment, Sides, aligners
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.file import TokenizerFile


@aligners.register("bytes", paper="none")
def by_bytes(sides: Sides) -> Alignment:
    """Both cumulative byte lengths coincide; exact for any two tokenizers that keep the text, O(n)."""
    text = sides.text
    positions = shared_boundaries(
        byte_lengths(sides.base, sides.base_ids, text), byte_lengths(sides.other, sides.other_ids, text)
    )
    return Alignment(sides.base_ids, sides.other_ids, *positions)


def byte_lengths(
    file: TokenizerFile, ids: Sequence[int] | Int[np.ndarray, " tokens"], text: str
) -> Int[np.ndarray, " tokens"]:
    """Bytes of `text` that each of `ids`, its encoding, covers.

    The space that SentencePiece puts before a text is no part of it and is taken off the first token. Lengths come from
    the vocabulary, not from `Encoding.offsets`, which count characters and so cannot see a boundary inside one.

    Raises:
        TokenizerError: no entry has one of these ids.
    """
    numbers = np.asarray(ids, np.int64)
    lengths = file.lengths_of(numbers)
    if len(numbers) and int(lengths.sum()) == len(text.encode("utf-8")) + 1:
        lengths[0] -= file.token_bytes(int(numbers[0])).startswith(b" ")
    return lengths


def shared_boundaries(
    base_lengths: Int[np.ndarray, " base"], extended_lengths: Int[np.ndarray, " extended"]
) -> tuple[Int[np.ndarray, " shared"], Int[np.ndarray, " shared"]]:
    """(base positions, extended positions) of the tokens that end at the same byte, in order.

    Given are the bytes of text that each token covers. Tokens of length 0 (BOS, EOS, padding) cover nothing and are
    never part of a pair; the positions count them all the same. O(n) in the bytes.

    Raises:
        TokenizerError: the two do not cover the same number of bytes, so they are not of one text.

    >>> base, extended = shared_boundaries(np.array([0, 1, 2, 2, 1]), np.array([3, 1, 2]))
    >>> base.tolist(), extended.tolist()
    ([2, 4], [0, 2])
    """
    ends = np.cumsum(base_lengths), np.cumsum(extended_lengths)
    total = _common_total(*ends)
    base_end, extended_end = np.zeros(total + 1, bool), np.zeros(total + 1, bool)
    base_end[ends[0]] = True
    extended_end[ends[1]] = True
    shared = base_end & extended_end
    shared[0] = False
    return _ending(base_lengths, ends[0], shared), _ending(extended_lengths, ends[1], shared)


def _ending(
    lengths: Int[np.ndarray, " tokens"], ends: Int[np.ndarray, " tokens"], shared: np.ndarray
) -> Int[np.ndarray, " shared"]:
    """Positions of the tokens that end at a shared byte; one that covers nothing ends where the one before it did."""
    return np.flatnonzero(shared[ends] & (lengths > 0))


def _common_total(base_ends: Int[np.ndarray, " base"], extended_ends: Int[np.ndarray, " extended"]) -> int:
    totals = [int(ends[-1]) if len(ends) else 0 for ends in (base_ends, extended_ends)]
    if totals[0] != totals[1]:
        raise TokenizerError(
            found=f"tokens that cover {totals[0]} bytes in one sequence and {totals[1]} in the other",
            expected="two tokenizations of the same text",
            do="encode the same text with both, by tokenizers that normalise it alike and keep all of it",
        )
    return totals[0]
