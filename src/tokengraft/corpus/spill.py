"""Exact counts that memory cannot hold: past a cap, distinct pre-tokens go to disk, and come back part by part.

Each pre-token belongs to one of `PARTS` by the CRC-32 of its UTF-8, so a part can be summed alone: memory needs the
cap while counting, and a part while reading. Files are Arrow's, in a folder that goes when nobody holds the counts any
more.
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

PARTS = 64
"""Parts that distinct pre-tokens are spread over."""

BATCH = 1 << 16
"""Rows that are read at once."""


class Spill:
    """Counts on their way to disk."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tokengraft-counts-", dir=folder))
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._written = 0

    def write(self, counts: Mapping[str, int]) -> None:
        """Adds these counts; a pre-token may come in any number of calls."""
        write_parts(self.folder, f"{self._written:06d}", counts)
        self._written += 1

    def counts(self) -> "SpilledCounts":
        """Everything that was written, summed."""
        files = [sorted(self.folder.glob(f"{part:03d}-*.arrow")) for part in range(PARTS)]
        totals = [self.folder / f"{part:03d}.arrow" for part in range(PARTS)]
        size = 0
        for sources, total in zip(files, totals, strict=True):
            size += merge_counts(sources, total)
            for source in sources:
                source.unlink()
        return SpilledCounts(totals, size, owner=self)


class SpilledCounts(Mapping[str, int]):
    """Counts on disk as a mapping, read from the first to the last, a little at a time.

    The order is the same for the same corpus. Looking up one pre-token reads its part.
    """

    def __init__(self, files: Iterable[Path], size: int, owner: object = None) -> None:
        self._files, self._size, self._owner = list(files), size, owner

    @classmethod
    def of(cls, files: Iterable[Path]) -> "SpilledCounts":
        """The counts in these files, one a part."""
        parts = list(files)
        return cls(parts, sum(map(_rows_in, parts)))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return (pretoken for pretoken, _ in self._rows())

    def __getitem__(self, pretoken: str) -> int:
        part = crc32(pretoken.encode()) % len(self._files)
        for found, count in read_counts(self._files[part]):
            if found == pretoken:
                return count
        raise KeyError(pretoken)

    def items(self) -> Any:
        """Pairs of pre-token and count, each read once."""
        return _Rows(self)

    def values(self) -> Any:
        """Counts in the order of the pre-tokens."""
        return _Rows(self, 1)

    def _rows(self) -> Iterator[tuple[str, int]]:
        for file in self._files:
            yield from read_counts(file)


class _Rows:
    """A view that can be read again and again."""

    def __init__(self, counts: SpilledCounts, column: int | None = None) -> None:
        self._counts, self._column = counts, column

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[Any]:
        rows = self._counts._rows()
        return rows if self._column is None else (row[self._column] for row in rows)


def write_parts(folder: Path, name: str, counts: Mapping[str, int]) -> None:
    """Writes counts into a folder, one file a part: `<part>-<name>.arrow`. Parts without any have no file."""
    rows: list[list[tuple[str, int]]] = [[] for _ in range(PARTS)]
    for pretoken, count in counts.items():
        rows[crc32(pretoken.encode()) % PARTS].append((pretoken, count))
    for part, chosen in enumerate(rows):
        if chosen:
            write_counts(folder / f"{part:03d}-{name}.arrow", chosen)


def _rows_in(path: Path) -> int:
    import pyarrow as pa  # noqa: PLC0415

    if not path.exists():
        return 0
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        return sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))


def write_counts(path: Path, rows: Iterable[tuple[str, int]]) -> None:
    """Writes pairs of pre-token and count to a file of their own."""
    import pyarrow as pa  # noqa: PLC0415  only counts that go to disk need it

    pretokens, numbers = zip(*rows, strict=True)
    table = pa.table({"pretoken": pa.array(pretokens, pa.large_string()), "count": pa.array(numbers, pa.int64())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, BATCH)


def read_counts(path: Path) -> Iterator[tuple[str, int]]:
    """The pairs of a file, in its order; nothing where there is no file."""
    import pyarrow as pa  # noqa: PLC0415

    if not path.exists():
        return
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


def merge_counts(sources: Iterable[Path], target: Path) -> int:
    """Sums files into one, sorted by pre-token; gives the number of distinct ones. No file is written for none."""
    import pyarrow as pa  # noqa: PLC0415

    tables = []
    for source in sources:
        with pa.memory_map(str(source)) as file, pa.ipc.open_file(file) as reader:
            tables.append(reader.read_all())
    if not tables:
        return 0
    summed = pa.concat_tables(tables).group_by("pretoken").aggregate([("count", "sum")])
    ordered = summed.rename_columns(["pretoken", "count"]).sort_by("pretoken")
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, ordered.schema) as writer:
        writer.write_table(ordered, BATCH)
    return ordered.num_rows
