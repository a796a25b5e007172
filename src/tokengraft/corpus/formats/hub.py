"""A dataset on the Hugging Face hub, streamed: nothing is downloaded beyond what is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tokengraft.corpus.formats import Format, formats
from tokengraft.corpus.records import text_of
from tokengraft.corpus.text import Document
from tokengraft.errors import CorpusError, TokengraftError

PREFIX = "hub:"


@formats.register("hub")
class Hub(Format):
    """A hub dataset, `hub:owner/name` or `hub:owner/name:subset`: one document a row. None of its code is ever run."""

    forms = "hub:owner/name"

    @classmethod
    def claims(cls, location: str) -> bool:
        """Whether the location begins with `hub:`."""
        return location.startswith(PREFIX)

    def documents(self) -> Iterator[Document]:
        """A document for each row, named `owner/name[:subset]/split:ROW` from 1 on."""
        source = self.source
        place = f"{source.location.removeprefix(PREFIX)}/{source.config.split}"
        with _reaching(place):
            for row, record in enumerate(self._records(), start=1):
                text = text_of(record, source.config.field, f"{place}, row {row}")
                yield Document(f"{place}:{row}", text)

    def _records(self) -> Any:
        import datasets  # noqa: PLC0415 - two seconds to import, and only here

        name, _, subset = self.source.location.removeprefix(PREFIX).partition(":")
        dataset = datasets.load_dataset(name, subset or None, split=self.source.config.split, streaming=True)
        if self.source.config.field in (dataset.column_names or ()):
            # The other columns, images perhaps, then need not be fetched.
            return dataset.select_columns([self.source.config.field])
        return dataset


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    try:
        yield
    except TokengraftError:
        raise
    except Exception as error:  # datasets lets through errors of httpx, aiohttp, fsspec and Arrow, which share no class
        raise CorpusError(
            found=f"hub dataset {place}: {type(error).__name__}: {error}",
            expected="a dataset and a split that the hub has and that can be streamed",
            do="check the name, `split` and the connection; a subset is written hub:owner/name:subset",
        ) from error
