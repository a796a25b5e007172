"""Documents drawn from a stream in bounded memory."""

import hashlib
import heapq
from collections.abc import Iterable

from tokengraft.corpus.text import Document


def sample(documents: Iterable[Document], max_bytes: int, seed: int) -> list[Document]:
    """Documents of at least `max_bytes` bytes together (all, where there are fewer), in a random order.

    A document's place is a hash of the seed and its name, so the choice does not depend on the order of the stream, and
    no more than the chosen documents and one other are held at a time.

    >>> documents = [Document(str(number), "x" * 10) for number in range(100)]
    >>> chosen = sample(documents, 30, seed=0)
    >>> len(chosen), chosen == sample(documents[::-1], 30, seed=0)
    (3, True)
    """
    # A max-heap: the document with the highest hash is the first to go.
    kept: list[tuple[int, str, str, int, Document]] = []
    size = 0
    for number, document in enumerate(documents):
        # Text and number decide between documents of one name, which cannot be compared themselves.
        entry = (-_place(document.name, seed), document.name, document.text, number, document)
        heapq.heappush(kept, entry)
        size += _bytes(document)
        while len(kept) > 1 and size - _bytes(kept[0][-1]) >= max_bytes:
            size -= _bytes(heapq.heappop(kept)[-1])
    return [entry[-1] for entry in sorted(kept, reverse=True, key=lambda entry: entry[:4])]


def _bytes(document: Document) -> int:
    return len(document.text.encode("utf-8", "surrogatepass"))


def _place(name: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")
