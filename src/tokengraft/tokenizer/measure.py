"""What each new token is made of and what it saves, measured on the text that it was chosen from."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words
from tokengraft.tokenizer.spelling import spelling_of
from tokengraft.tokenizer.tokens import INCOMPLETE, INTERMEDIATE, WHITESPACE, NewToken, shown

SELDOM = 0.1
"""A token used for itself in less than this share of the places where its pair stood is only a step to longer ones."""


def pieces_of(merges: Sequence[Merge]) -> list[tuple[int, ...]]:
    """The base ids of each merge's token, in the order of the merges.

    >>> pieces_of([Merge(1, 2, 10, "ab", 9), Merge(10, 3, 11, "abc", 5)])
    [(1, 2), (1, 2, 3)]
    """
    pieces: dict[int, tuple[int, ...]] = {}
    for merge in merges:
        pieces[merge.id] = pieces.get(merge.left, (merge.left,)) + pieces.get(merge.right, (merge.right,))
    return list(pieces.values())


def describe(base: TokenizerFile, merges: Sequence[Merge], encoded: Words) -> list[NewToken]:
    """The new tokens in the order of their ids; `encoded` is the counted text as the extended tokenizer encodes it."""
    spelling = spelling_of(base.document)
    used = encoded.occurrences(base.size + len(merges))
    return [
        _describe_one(base, merge, pieces, spelling(merge.token), used)
        for merge, pieces in zip(merges, pieces_of(merges), strict=True)
    ]


def _describe_one(
    base: TokenizerFile, merge: Merge, pieces: tuple[int, ...], data: bytes, used: Int[np.ndarray, " size"]
) -> NewToken:
    times = int(used[merge.id])
    return NewToken(
        id=merge.id,
        token=merge.token,
        bytes=data,
        pieces=pieces,
        merge=(merge.left, merge.right),
        count=merge.count,
        saved=times * (len(pieces) - 1),
        score=float(merge.count),
        notes=tuple(_notes(data, times, merge.count)),
        piece_texts=tuple(shown(base.token_bytes(piece)) for piece in pieces),
    )


def _notes(data: bytes, times: int, count: int) -> list[str]:
    try:
        whitespace, incomplete = data.decode("utf-8").isspace(), False
    except UnicodeDecodeError:
        whitespace, incomplete = False, True
    found = {INCOMPLETE: incomplete, WHITESPACE: whitespace, INTERMEDIATE: times < SELDOM * count}
    return [note for note, holds in found.items() if holds]
