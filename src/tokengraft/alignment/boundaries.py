"""Where two tokenizations of one text end a token at the same byte."""

import numpy as np
from jaxtyping import Int

from tokengraft.errors import TokenizerError


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
    base_ends, base_positions = _ends(base_lengths)
    extended_ends, extended_positions = _ends(extended_lengths)
    total = _common_total(base_ends, extended_ends)
    owner = np.zeros(total + 1, np.int64)
    owner[base_ends] = base_positions + 1
    shared = owner[extended_ends]
    return shared[shared > 0] - 1, extended_positions[shared > 0]


def _ends(lengths: Int[np.ndarray, " tokens"]) -> tuple[Int[np.ndarray, " filled"], Int[np.ndarray, " filled"]]:
    """(byte at which each token ends, its position), of the tokens that cover any."""
    positions = np.flatnonzero(lengths)
    return np.cumsum(lengths[positions]), positions


def _common_total(base_ends: Int[np.ndarray, " base"], extended_ends: Int[np.ndarray, " extended"]) -> int:
    totals = [int(ends[-1]) if len(ends) else 0 for ends in (base_ends, extended_ends)]
    if totals[0] != totals[1]:
        raise TokenizerError(
            found=f"tokens that cover {totals[0]} bytes in one sequence and {totals[1]} in the other",
            expected="two tokenizations of the same text",
            do="encode the same text with both, by tokenizers that normalise it alike and keep all of it",
        )
    return totals[0]
