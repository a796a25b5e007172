"""One plain text file. It has no documents of its own, so it is cut into some, between paragraphs.

Parts are split by document and a pre-token counts only so often in one: a file that was one document could be neither
split nor capped. Four thousand characters is about 1 000 tokens, a training window; and a megabyte then makes some 250
documents, enough for a held-out tenth that means something.
"""

import re
from collections.abc import Iterable, Iterator

from tokengraft.corpus.formats import FileFormat, formats
from tokengraft.corpus.text import Document, decoded, reading

LEAST = 4096
"""Characters after which a document ends at the next blank line."""

MOST = 16384
"""Characters at which one ends in any case."""

BLANK_LINE = re.compile(r"\n[ \t\r]*\n")


@formats.register("text")
class TextFile(FileFormat):
    """A plain text file: paragraphs gathered into documents of about 4 000 characters."""

    forms = ".txt"
    suffixes = (".txt",)

    def documents(self) -> Iterator[Document]:
        """Documents named `file.txt:NUMBER` from 1 on; joined, they are the file."""
        source = self.source
        with reading(source.location), open(source.location, "rb") as file:
            chunks = decoded(file, source.location, source.config.encoding)
            for number, text in enumerate(blocks(chunks), start=1):
                yield Document(f"{source.name}:{number}", text)


def blocks(chunks: Iterable[str], least: int = LEAST, most: int = MOST) -> Iterator[str]:
    r"""A text, cut after the first blank line past `least` characters; or after the last line before `most`; or there.

    Nothing is lost, and where it is cut does not depend on the chunks in which it comes.

    >>> list(blocks(["ab\n\ncd", "\n\nefghijkl"], least=4, most=10))
    ['ab\n\ncd\n\n', 'efghijkl']
    """
    rest = ""
    for chunk in chunks:
        rest += chunk
        start = 0
        while len(rest) - start >= most:
            end = _cut(rest, start, least, most)
            yield rest[start:end]
            start = end
        rest = rest[start:]
    while rest:
        end = _cut(rest, 0, least, most)
        yield rest[:end]
        rest = rest[end:]


def _cut(text: str, start: int, least: int, most: int) -> int:
    stop = min(start + most, len(text))
    if blank := BLANK_LINE.search(text, start + least - 1, stop):
        return blank.end()
    if stop == len(text) and stop < start + most:
        return stop
    newline = text.rfind("\n", start + least, stop)
    return newline + 1 if newline >= 0 else stop
