r"""A `.model` of SentencePiece with further pieces, for the sentencepiece library to give the ids of `tokenizer.json`.

The file is one protobuf message (sentencepiece_model.proto, google/sentencepiece): field 1 repeats the pieces (1 piece,
2 score, 3 type), whose ids are their places; field 2 is the trainer's settings, of which 4 is the vocabulary's size.
Messages that stand one after the other are one message: repeated fields add up, later values replace earlier ones. So
everything old stays byte by byte, and what is new is appended.

In BPE the library merges the pair whose result has the highest score. A new score must lie below all before it, and
float32 holds no number between −1e9 − 1 and −1e9: each is the next smaller float32.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.file import TokenizerFile

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
"""Types of pieces: found by merging or scores; never found in text; found in text before anything else."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry of a `.model`."""

    text: str
    score: float
    kind: int = NORMAL

    def encoded(self) -> bytes:
        """The piece as an element of field 1."""
        text = self.text.encode("utf-8")
        body = _field(1, _BYTES) + _varint(len(text)) + text + _field(2, _FIXED32) + struct.pack("<f", self.score)
        body += _field(3, _VARINT) + _varint(self.kind)
        return _field(1, _BYTES) + _varint(len(body)) + body


def read_pieces(data: bytes) -> list[Piece]:
    """The pieces of a `.model` by id.

    Raises:
        ValueError: the bytes are no such message.

    >>> read_pieces(Piece("▁the", -0.5).encoded())
    [Piece(text='▁the', score=-0.5, kind=1)]
    """
    return [_read_piece(value) for number, value in _fields(data) if number == 1]


def _read_piece(data: bytes) -> Piece:
    values = dict(_fields(data))
    score = struct.unpack("<f", values[2])[0] if 2 in values else 0.0
    kind = _read_varint(values[3], 0)[0] if 3 in values else NORMAL
    return Piece(values.get(1, b"").decode("utf-8"), score, kind)


def next_lower(score: float, number: int) -> list[float]:
    """`number` scores, each the greatest float32 below the one before it, the first below `score`.

    >>> next_lower(-1e9, 2)
    [-1000000064.0, -1000000128.0]
    """
    scores, last = [], np.float32(score)
    for _ in range(number):
        last = np.nextafter(last, np.float32(-np.inf))
        scores.append(float(last))
    assert all(after < before for before, after in pairwise([float(np.float32(score)), *scores]))
    return scores


def extended_models(
    file: TokenizerFile, tokens: Sequence[str], scores: Sequence[float] | None = None
) -> dict[str, bytes]:
    """The `.model` files of a tokenizer with further tokens as pieces; without `scores` each is just below all before.

    Raises:
        TokenizerError: a `.model` is not well formed, or its ids are not those of `tokenizer.json`.
    """
    return {name: _extended(file, name, data, tokens, scores) for name, data in file.binaries.items()}


def _extended(
    file: TokenizerFile, name: str, data: bytes, tokens: Sequence[str], scores: Sequence[float] | None
) -> bytes:
    pieces = matching_pieces(file, name, data)
    if scores is None:
        scores = next_lower(min(piece.score for piece in pieces), len(tokens))
    new = [Piece(token, score) for token, score in zip(tokens, scores, strict=True)]
    return appended(data, [*missing_pieces(file, len(pieces)), *new], file.size + len(new))


def replaced_models(file: TokenizerFile, tokens: Mapping[int, str]) -> dict[str, bytes]:
    """The `.model` files of a tokenizer in which ids stand for other tokens, the first of them merged first.

    New scores lie below all before, so what is new is merged after everything old. All else stays byte by byte.

    Raises:
        TokenizerError: a `.model` is not well formed, or its ids are not those of `tokenizer.json`.
    """
    return {name: _replaced(file, name, data, tokens) for name, data in file.binaries.items()}


def _replaced(file: TokenizerFile, name: str, data: bytes, tokens: Mapping[int, str]) -> bytes:
    pieces = matching_pieces(file, name, data)
    scores = next_lower(min(piece.score for piece in pieces), len(tokens))
    new = {number: Piece(token, score) for (number, token), score in zip(tokens.items(), scores, strict=True)}
    written, place = bytearray(), 0
    for number, begin, _, end in _spans(data):
        written += new[place].encoded() if number == 1 and place in new else data[begin:end]
        place += number == 1
    return bytes(written)


def irreplaceable(file: TokenizerFile) -> frozenset[int]:
    """Ids that a `.model` beside the tokenizer holds as something else than a piece that is found by merging, or lacks.

    Raises:
        TokenizerError: a `.model` is not well formed, or its ids are not those of `tokenizer.json`.
    """
    everything = frozenset(range(file.size))
    held: set[int] = set()
    for name, data in file.binaries.items():
        pieces = matching_pieces(file, name, data)
        held |= everything - {number for number, piece in enumerate(pieces) if piece.kind == NORMAL}
    return frozenset(held)


def matching_pieces(file: TokenizerFile, name: str, data: bytes) -> list[Piece]:
    """The pieces of a `.model` whose ids are those of the `tokenizer.json` beside it.

    Raises:
        TokenizerError: it is not well formed, or an id stands for something else in it.
    """
    try:
        pieces = read_pieces(data)
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise TokenizerError(
            found=f"{name} of {file.name}: {error!r}", expected="a SentencePiece model", do="fetch the file again"
        ) from error
    for number, piece in enumerate(pieces):
        if number >= file.size or file.tokens[number] != piece.text:
            raise TokenizerError(
                found=f"{name} of {file.name}, whose id {number} is {piece.text!r}, which tokenizer.json does not say",
                expected="one numbering in both files",
                do="leave the .model out of the folder, or convert one file from the other anew",
            )
    return pieces


def missing_pieces(file: TokenizerFile, known: int) -> list[Piece]:
    """Pieces for the ids between those of the `.model` and the first new one: tokens that were added later."""
    special = {token["id"]: token.get("special", False) for token in file.added_tokens}
    return [
        Piece(
            file.tokens[number] or f"<|unused {number}|>",
            0.0,
            USER_DEFINED if special.get(number) is False else CONTROL,
        )
        for number in range(known, file.size)
    ]


def appended(data: bytes, pieces: Sequence[Piece], size: int) -> bytes:
    """The message with further pieces, and with `size` as the vocabulary's size."""
    settings = _field(4, _VARINT) + _varint(size)
    trainer = _field(2, _BYTES) + _varint(len(settings)) + settings
    return data + b"".join(piece.encoded() for piece in pieces) + trainer


def _field(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the eighth set on all but the last."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    """(value, place after it)."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, content) of each field of a message, in the order of the file."""
    return ((number, data[start:end]) for number, _, start, end in _spans(data))


def _spans(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(number, where the field begins, where its content begins and ends) of each field."""
    place = 0
    while place < len(data):
        begin = place
        key, place = _read_varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            end = _read_varint(data, place)[1]
        elif kind == _BYTES:
            length, place = _read_varint(data, place)
            end = place + length
        elif kind in _WIDTH:
            end = place + _WIDTH[kind]
        else:
            raise ValueError(f"wire type {kind} at byte {place}")
        if end > len(data):
            raise ValueError(f"a field that ends at byte {end} of {len(data)}")
        yield number, begin, place, end
        place = end
