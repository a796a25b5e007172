"""The extension that lies between two tokenizers, also where nobody wrote down how the one became the other."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.ceiling import Ceiling
from tokengraft.tokenizer.extended import RECORD, ExtendedTokenizer
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.tokens import NewToken, shown

UNKNOWN = "unknown"

Letters: TypeAlias = Callable[[], Mapping[int, int]]


def extension_of(folder: str | Path, base: TokenizerFile) -> ExtendedTokenizer:
    """The extension of `base` in a tokenizer folder: as its record has it, or worked out where there is no record.

    Raises:
        TokenizerError: the folder holds no tokenizer, or one that does not extend `base`.
    """
    if (Path(folder) / RECORD).is_file():
        return ExtendedTokenizer.load(folder, base)
    return extension_between(base, TokenizerFile.load(folder))


def extension_between(base: TokenizerFile, file: TokenizerFile) -> ExtendedTokenizer:
    """`file` as an extension of `base`: every id that the base lacks is new, made of what the base makes of its bytes.

    Pieces are found for each token by itself. In running text the base may split otherwise; whoever compares the two
    there asks the bytes (`tokengraft.align`).

    Raises:
        TokenizerError: an id of the base means something else in `file`, or nothing.
    """
    _require_old_ids(base, file)
    letters = cache(partial(_single_bytes, base))
    return ExtendedTokenizer(
        base=base,
        file=file,
        new_tokens=tuple(_new_token(base, file, number, letters) for number in range(base.size, file.size)),
        method=UNKNOWN,
        family=UNKNOWN,
        asked=file.size - base.size,
        ceiling=Ceiling(0, 0),
    )


def _require_old_ids(base: TokenizerFile, file: TokenizerFile) -> None:
    moved = {token: number for token, number in base.ids.items() if file.ids.get(token) != number}
    if moved:
        token, number = next(iter(moved.items()))
        raise TokenizerError(
            found=f"{len(moved)} of {len(base.ids)} tokens of {base.name} that {file.name} lacks or has at another id "
            f"({token!r}: {number} and {file.ids.get(token)})",
            expected="a tokenizer that keeps every id of its base",
            do="give the base that this model was made from",
        )


def _new_token(base: TokenizerFile, file: TokenizerFile, number: int, letters: Letters) -> NewToken:
    token = file.tokens[number]
    data = b"" if token is None else file.token_bytes(number)
    pieces = _pieces(base, data, letters)
    return NewToken(
        id=number,
        token=token or "",
        bytes=data,
        pieces=pieces,
        merge=(pieces[0], pieces[-1]),
        count=0,
        saved=0,
        score=0.0,
        notes=() if token is not None else ("unused id",),
        piece_texts=tuple(shown(base.token_bytes(piece)) for piece in pieces),
    )


def _pieces(base: TokenizerFile, data: bytes, letters: Letters) -> tuple[int, ...]:
    """Base ids that spell the bytes; where the base cannot spell them by themselves, as near as it comes."""
    text = data.decode("utf-8", errors="ignore")
    tries = base.encode([text, text.removeprefix(" ")])
    for ids in tries:
        if ids and b"".join(map(base.token_bytes, ids)) == data:
            return tuple(ids)
    if data and all(byte in letters() for byte in data):
        return tuple(letters()[byte] for byte in data)
    return tuple(tries[0]) or (0,)


def _single_bytes(base: TokenizerFile) -> dict[int, int]:
    """Id of each byte that the base has a token for."""
    ids = [number for number, token in enumerate(base.tokens) if token is not None]
    return {base.token_bytes(number)[0]: number for number in ids if len(base.token_bytes(number)) == 1}
