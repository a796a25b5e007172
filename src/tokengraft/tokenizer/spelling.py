r"""Which bytes of text a vocabulary entry stands for.

A vocabulary holds strings, and each family writes bytes into them in its own way. Byte-level tokenizers map each of the
256 bytes to one printable character (Radford et al. 2019, GPT-2); SentencePiece writes a space as `▁` and a lone byte
as `<0x0A>`; WordPiece marks the inside of a word with `##`.

>>> spell(b" caf\xc3\xa9")
'ĠcafÃ©'
>>> unspell("ĠcafÃ©")
b' caf\xc3\xa9'
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

Spelling = Callable[[str], bytes]
"""From a vocabulary entry to its bytes."""


def _byte_characters() -> list[str]:
    """The character of each byte: printable Latin-1 stands for itself, the rest is moved past U+0100 in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(moved)) for byte in range(256)]


BYTE_CHARACTERS = _byte_characters()
"""The byte-level alphabet, by byte."""

_TO_CHARACTER = dict(enumerate(BYTE_CHARACTERS))
_TO_BYTE = {ord(character): byte for byte, character in enumerate(BYTE_CHARACTERS)}


def spell(data: bytes) -> str:
    """The byte-level spelling of `data`: one character a byte."""
    return data.decode("latin-1").translate(_TO_CHARACTER)


def spell_all(texts: Iterable[str]) -> list[str]:
    """The byte-level spelling of each text, in one pass: the byte FF, which UTF-8 never has, stands between them.

    >>> spell_all([" café", "a"]), spell_all([])
    (['ĠcafÃ©', 'a'], [])
    """
    data = list(map(str.encode, texts))
    return spell(b"\xff".join(data)).split(BYTE_CHARACTERS[0xFF]) if data else []


def unspell(token: str) -> bytes:
    """The bytes that a byte-level spelling stands for; a string with foreign characters stands for its own UTF-8."""
    try:
        return bytes(_TO_BYTE[ord(character)] for character in token)
    except KeyError:
        return token.encode("utf-8")


@lru_cache(maxsize=1 << 16)
def text_of_spelling(pretoken: str) -> str:
    """The text of a byte-level pre-token, which is whole characters; remembered, for pre-tokens come again."""
    return unspell(pretoken).decode("utf-8")


def components(part: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The steps of a normaliser, pre-tokenizer, decoder or post-processor of a `tokenizer.json`, sequences taken apart.

    >>> [step["type"] for step in components({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip"}]})]
    ['Fuse', 'Strip']
    """
    if part is None:
        return
    if part.get("type") != "Sequence":
        yield part
        return
    for steps in part.values():
        if isinstance(steps, list):
            for step in steps:
                yield from components(step)


def spelling_of(document: Mapping[str, Any]) -> Spelling:
    """The spelling that a `tokenizer.json` uses, told by its decoder; plain UTF-8 where the decoder does not say."""
    steps = {step["type"]: step for step in components(document.get("decoder"))}
    for kind, make in _SPELLINGS.items():
        if kind in steps:
            return make(steps[kind])
    return str.encode


SPACE = "▁"
"""How SentencePiece writes a space."""

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _sentencepiece(token: str) -> bytes:
    lone = _BYTE_TOKEN.fullmatch(token)
    return bytes([int(lone[1], 16)]) if lone else token.replace(SPACE, " ").encode("utf-8")


def _wordpiece(step: Mapping[str, Any]) -> Spelling:
    """Inside-of-word marks go; the space that a word's start implies is not part of the entry."""
    return lambda token: token.removeprefix(step["prefix"]).encode("utf-8")


_SPELLINGS: dict[str, Callable[[Mapping[str, Any]], Spelling]] = {
    "ByteLevel": lambda _: unspell,
    "ByteFallback": lambda _: _sentencepiece,
    "Metaspace": lambda _: _sentencepiece,
    "WordPiece": _wordpiece,
}
