"""What a document is, and how bytes become its text: exactly, in bounded memory, with the place of every fault."""

import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from tokengraft.errors import ConfigError, CorpusError

CHUNK = 1 << 18
"""Bytes that are read at a time."""

HEAD = 8192
"""Bytes at the start of a file in which a NUL tells that it is binary: git's own rule."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text, with a name that is the same on every machine: a relative path, or `file.jsonl:LINE`."""

    name: str
    text: str


class Readable(Protocol):
    """A file, as far as decoding needs it."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def require_encoding(encoding: str) -> None:
    """Refuses the name of an encoding that Python does not know.

    Raises:
        ConfigError: there is no text encoding of that name.
    """
    try:
        "".encode(encoding)
    except LookupError as error:
        raise ConfigError(
            found=f"encoding = {encoding!r}",
            expected="a text encoding that Python knows",
            do="write utf-8, latin-1, ...",
        ) from error


@contextmanager
def reading(location: str) -> Iterator[None]:
    """Errors of the system and of unpacking, turned into one that names the file.

    Raises:
        CorpusError: the file cannot be opened, read or unpacked.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CorpusError(
            found=f"{location}: {reason}",
            expected="a file that can be read to its end",
            do="check it, or fetch it again",
        ) from error


def is_binary(data: bytes, encoding: str) -> bool:
    r"""Whether bytes are no text, by a NUL near their start, unless the encoding itself writes NULs (UTF-16, UTF-32).

    >>> is_binary(b"\x7fELF\x02\x00", "utf-8"), is_binary("a".encode("utf-16"), "utf-16")
    (True, False)
    """
    return b"\0" in data[:HEAD] and b"\0" not in "a".encode(encoding)


def decode(data: bytes, encoding: str) -> str:
    """The text of a whole file, line ends as they are, without a byte-order mark.

    Raises:
        UnicodeError: the bytes are not in that encoding.
    """
    return data.decode(encoding).removeprefix("\ufeff")


def decoded(file: Readable, location: str, encoding: str) -> Iterator[str]:
    r"""The text of a file in chunks, line ends as they are, without a byte-order mark.

    >>> import io
    >>> list(decoded(io.BytesIO(b"caf\xe9\n"), "menu.txt", "utf-8"))
    Traceback (most recent call last):
    tokengraft.errors.CorpusError: found: menu.txt: byte 0xe9 at offset 3 is not utf-8
    expected: text in the encoding utf-8
    do: set `encoding` to the one that the file is in (latin-1, cp1252, ...), or convert the file

    Raises:
        CorpusError: the file is binary, or a byte is not in that encoding.
    """
    decoder = getincrementaldecoder(encoding)()
    data = file.read(CHUNK)
    _refuse_binary(data, location, encoding)
    yield _step(decoder, data, 0, location, encoding).removeprefix("\ufeff")
    offset = 0
    while data:
        offset += len(data)
        data = file.read(CHUNK)
        yield _step(decoder, data, offset, location, encoding)


def lines(chunks: Iterable[str]) -> Iterator[str]:
    r"""The lines of a text that comes in chunks, without their ends.

    Only `\n` ends a line: `str.splitlines` would also cut at U+2028, which JSON allows inside a string.

    >>> list(lines(["a\nb", "c\n", "\nd"]))
    ['a', 'bc', '', 'd']
    """
    parts: list[str] = []
    for chunk in chunks:
        first, *others = chunk.split("\n")
        parts.append(first)
        for other in others:
            yield "".join(parts)
            parts = [other]
    if last := "".join(parts):
        yield last


def _step(decoder: IncrementalDecoder, data: bytes, offset: int, location: str, encoding: str) -> str:
    """What the next bytes, which begin at `offset`, add to the text; no bytes mean the end."""
    held = len(decoder.getstate()[0])
    try:
        return decoder.decode(data, final=not data)
    except UnicodeDecodeError as error:
        byte, place = error.object[error.start], offset - held + error.start
        raise _undecodable(f"{location}: byte {byte:#04x} at offset {place} is not {encoding}", encoding) from error
    except UnicodeError as error:  # UTF-16 and UTF-32 without a byte-order mark
        raise _undecodable(f"{location}: {error}", encoding) from error


def _undecodable(found: str, encoding: str) -> CorpusError:
    return CorpusError(
        found=found,
        expected=f"text in the encoding {encoding}",
        do="set `encoding` to the one that the file is in (latin-1, cp1252, ...), or convert the file",
    )


def _refuse_binary(data: bytes, location: str, encoding: str) -> None:
    if not is_binary(data, encoding):
        return
    wide = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    raise CorpusError(
        found=f"{location}: a binary file (a NUL byte at offset {data.index(0)})",
        expected=f"text in the encoding {encoding}",
        do="set `encoding` to utf-16: its first bytes say so"
        if wide
        else "give the text itself, or leave this file out",
    )
