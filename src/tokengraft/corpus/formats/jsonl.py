"""JSON Lines: an object a line, the text in one of its fields."""

import gzip
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from tokengraft.corpus.formats import FileFormat, formats
from tokengraft.corpus.records import text_of
from tokengraft.corpus.text import Document, Readable, decoded, lines, reading
from tokengraft.errors import CorpusError


@formats.register("jsonl")
class JsonLines(FileFormat):
    """JSON Lines, plain or packed with gzip or Zstandard: one document a line."""

    forms = ".jsonl[.gz|.zst]"
    suffixes = (".jsonl", ".jsonl.gz", ".jsonl.zst")
    holds_records = True

    def documents(self) -> Iterator[Document]:
        """A document for each line that is not blank, named `file.jsonl:LINE`."""
        source = self.source
        for number, record in json_records(source.location, source.config.encoding):
            text = text_of(record, source.config.field, f"{source.location}, line {number}")
            yield Document(f"{source.name}:{number}", text)


def json_records(location: str, encoding: str = "utf-8") -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line that is not blank.

    Raises:
        CorpusError: the file cannot be read, or a line holds no JSON object.
    """
    with reading(location), _opened(location) as file:
        for number, line in enumerate(lines(decoded(file, location, encoding)), start=1):
            if line and not line.isspace():
                yield number, _record(line, f"{location}, line {number}")


def _opened(location: str) -> AbstractContextManager[Readable]:
    lowered = location.lower()
    if lowered.endswith(".gz"):
        return gzip.open(location)
    if lowered.endswith(".zst"):
        import pyarrow  # noqa: PLC0415 - a second to import, and only here

        return pyarrow.input_stream(location, compression="zstd")
    return open(location, "rb")


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise _broken(where, f"{error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise _broken(where, str(error)) from error
    if not isinstance(record, dict):
        raise _broken(where, f"a JSON {type(record).__name__}")
    return record


def _broken(where: str, what: str) -> CorpusError:
    return CorpusError(found=f"{where}: {what}", expected="one JSON object a line", do="mend or remove that line")
