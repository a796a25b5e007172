"""Text comes in: documents streamed one at a time from whatever holds them, split into parts, their pre-tokens counted.

A corpus is never in memory as a whole, and what in it cannot be used is said in a `CorpusError` that names the place.
`formats/` holds one way of keeping documents a file; what a format needs to import, it imports when it reads.
"""

from tokengraft.corpus.counts import count_pretokens
from tokengraft.corpus.documents import check_readable, stream
from tokengraft.corpus.shares import Part, part_of, require_parts, stream_part
from tokengraft.corpus.text import Document

__all__ = [
    "Document",
    "Part",
    "check_readable",
    "count_pretokens",
    "part_of",
    "require_parts",
    "stream",
    "stream_part",
]
