"""Parquet: a row a document, the text in one of its columns."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tokengraft.corpus.formats import FileFormat, formats
from tokengraft.corpus.records import missing_field, wrong_field
from tokengraft.corpus.text import Document, reading
from tokengraft.errors import CorpusError

ROWS = 256
"""Rows that are in memory at a time."""

BUFFER = 1 << 20
"""Bytes read at a time from a column; without a buffer, all of a row group's column is read."""


@formats.register("parquet")
class Parquet(FileFormat):
    """Parquet: one document a row, read in small batches of the one column."""

    forms = ".parquet"
    suffixes = (".parquet",)
    holds_records = True

    def documents(self) -> Iterator[Document]:
        """A document for each row, named `file.parquet:ROW` from 1 on; a null is an empty text."""
        from pyarrow import ArrowException  # noqa: PLC0415 - a second to import, and only here

        with reading(self.source.location):
            try:
                yield from self._rows()
            except ArrowException as error:
                raise CorpusError(
                    found=f"{self.source.location}: {error}",
                    expected="a sound Parquet file",
                    do="write or fetch it again",
                ) from error

    def _rows(self) -> Iterator[Document]:
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415

        source = self.source
        with ParquetFile(source.location, buffer_size=BUFFER, pre_buffer=False) as file:
            _require_text(file.schema_arrow, source.config.field, source.location)
            batches = file.iter_batches(ROWS, columns=[source.config.field], use_threads=False)
            texts = chain.from_iterable(batch.column(0).to_pylist() for batch in batches)
            for row, text in enumerate(texts, start=1):
                yield Document(f"{source.name}:{row}", text or "")


def _require_text(schema: Any, field: str, where: str) -> None:
    from pyarrow import types  # noqa: PLC0415

    if field not in schema.names:
        raise missing_field(field, schema.names, where)
    stored = schema.field(field).type
    kind = stored.value_type if types.is_dictionary(stored) else stored
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        raise wrong_field(field, str(stored), where)
