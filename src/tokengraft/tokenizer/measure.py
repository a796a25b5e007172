"""What each new token is made of and what it saves, measured on the text that it was chosen from."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words, pieces_of
from tokengraft.tokenizer.spelling import spelling_of
from tokengraft.tokenizer.tokens import INCOMPLETE, INTERMEDIATE, WHITESPACE, NewToken, shown

SELDOM = 0.1
"""A token used for itself in less than this share of the places where its pair stood is only a step to longer ones."""


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
        merge=None if merge.pieces else (merge.left, merge.right),
        count=merge.count,
        saved=times * (len(pieces) - 1),
        score=float(merge.count),
        notes=(*filter(None, [merge.kind]), *notes_of(data, times, merge.count)),
        piece_texts=tuple(shown(base.token_bytes(piece)) for piece in pieces),
    )


def notes_of(data: bytes, times: int, count: int) -> list[str]:
    """What a reader should know of a token that occurs `times` times for itself, chosen with `count`."""
    try:
        whitespace, incomplete = data.decode("utf-8").isspace(), False
    except UnicodeDecodeError:
        whitespace, incomplete = False, True
    found = {INCOMPLETE: incomplete, WHITESPACE: whitespace, INTERMEDIATE: times < SELDOM * count}
    return [note for note, holds in found.items() if holds]
