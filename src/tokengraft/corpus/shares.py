"""Three parts of a corpus that never share a document: for choosing tokens, for training, and held out."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Literal, get_args

from tokengraft.config import CorpusConfig, SharesConfig
from tokengraft.corpus.documents import stream
from tokengraft.corpus.text import Document
from tokengraft.errors import CorpusError

Part = Literal["tokens", "training", "heldout"]

PARTS: tuple[Part, ...] = get_args(Part)


def part_of(name: str, shares: SharesConfig) -> Part:
    """The part that a document belongs to, by its name alone.

    The name's SHA-256 is a number spread evenly over [0, 1), so a document keeps its part on every machine and whatever
    documents stand beside it.

    >>> part_of("rtl/uart.v", SharesConfig())
    'tokens'
    """
    place = int.from_bytes(sha256(name.encode()).digest()[:8], "big") / 2**64
    if place < shares.tokens:
        return "tokens"
    return "training" if place < shares.tokens + shares.training else "heldout"


def stream_part(config: CorpusConfig, shares: SharesConfig, part: Part) -> Iterator[Document]:
    """The documents of one part, in the corpus' order.

    Raises:
        CorpusError: the corpus cannot be read; or, at the end, no document fell to this part.
    """
    seen: Counter[Part] = Counter()
    for document in stream(config):
        its_part = part_of(document.name, shares)
        seen[its_part] += 1
        if its_part == part:
            yield document
    if part not in seen:
        raise _empty_part(config, part, seen)


def require_parts(config: CorpusConfig, shares: SharesConfig) -> None:
    """Returns if each part has a document; reads no further than until that is sure.

    Raises:
        CorpusError: the corpus cannot be read, or has so few documents that a part got none.
    """
    seen: Counter[Part] = Counter()
    for document in stream(config):
        seen[part_of(document.name, shares)] += 1
        if len(seen) == len(PARTS):
            return
    raise _empty_part(config, next(part for part in PARTS if part not in seen), seen)


def _empty_part(config: CorpusConfig, part: Part, seen: Counter[Part]) -> CorpusError:
    spread = ", ".join(f"{seen[each]} in {each}" for each in PARTS)
    return CorpusError(
        found=f"no document in the part {part!r} of {config.path} (of {seen.total()}: {spread})",
        expected="at least one document in each part",
        do=f"give more documents (a few dozen at least), or raise shares.{part}",
    )
