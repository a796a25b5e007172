"""Alignment under a conservative extension: the pieces of each token are known, so no bytes need counting."""

import numpy as np
from jaxtyping import Int

from tokengraft.alignment.aligners import Alignment, Sides, aligners
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.decomposition import Decomposition


@aligners.register("pieces", paper="none")
def by_pieces(sides: Sides) -> Alignment:
    """The pieces of each token, known from its making; exact for an extension, O(n)."""
    if sides.extension is None:
        raise TokenizerError(
            found=f"{sides.other.name}, whose tokens' pieces are not known",
            expected="an ExtendedTokenizer",
            do="align by bytes",
        )
    parts = sides.extension.decomposition
    return Alignment(parts.flatten(sides.other_ids), sides.other_ids, *aligned_positions(sides.other_ids, parts))


def aligned_positions(
    ids: Int[np.ndarray, " extended"], decomposition: Decomposition
) -> tuple[Int[np.ndarray, " extended"], Int[np.ndarray, " extended"]]:
    """(base positions, extended positions) that end at the same byte: a token ends with its last piece. O(n).

    >>> base, extended = aligned_positions(np.array([1, 3]), Decomposition.from_pieces(3, [(0, 2)]))
    >>> base.tolist(), extended.tolist()
    ([0, 2], [0, 1])
    """
    return decomposition.last_piece_index(ids), np.arange(len(ids))
