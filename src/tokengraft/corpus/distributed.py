"""Counting past one machine, under datatrove: its executors run the steps on this machine, under Slurm or on Ray.

Two steps, which are plain callables as datatrove takes them. Each task counts its documents exactly as
`count_pretokens` does, and writes its counts in parts by the CRC-32 of the pre-token; then each task sums some of the
parts. What comes out is what one process would have counted. The folder must be seen by all tasks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tokengraft.config import CorpusConfig
from tokengraft.corpus.counts import MAX_DISTINCT, Split, count_pretokens
from tokengraft.corpus.documents import stream
from tokengraft.corpus.spill import PARTS, SpilledCounts, merge_counts, write_parts
from tokengraft.corpus.text import Document
from tokengraft.errors import ConfigError, CorpusError

SUMS = "sums"
"""Folder of the parts once they are summed."""


@dataclass(frozen=True, slots=True)
class ReadCorpus:
    """A corpus of tokengraft as the first step: each task takes every n-th document.

    Every task reads past the others' documents; for terabytes in many files, datatrove's own readers, which share files
    out, are better.
    """

    config: CorpusConfig

    def __call__(self, _data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """The documents of one task."""
        return (each for number, each in enumerate(stream(self.config)) if number % world_size == rank)


@dataclass(frozen=True, slots=True)
class CountPretokens:
    """Counts the documents of a task; anything with a `text` will do."""

    split: Split
    folder: str
    max_per_document: int
    max_distinct: int = MAX_DISTINCT

    def __call__(self, data: Iterable[Any], rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        """Writes the counts of one task, and passes no documents on."""
        texts = (document.text for document in data)
        counts = count_pretokens(
            texts,
            self.split,
            max_per_document=self.max_per_document,
            processes=1,
            max_distinct=self.max_distinct,
            spill_folder=None,
        )
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_parts(folder, f"{rank:06d}", counts)
        return iter(())


@dataclass(frozen=True, slots=True)
class SumCounts:
    """Sums the parts of all tasks; part p falls to task p modulo their number."""

    folder: str

    def __call__(self, _data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Writes the sums of one task's parts, each under its name only once it is whole."""
        folder = Path(self.folder)
        (folder / SUMS).mkdir(exist_ok=True)
        for part in range(rank, PARTS, world_size):
            target = folder / SUMS / f"{part:03d}.arrow"
            unfinished = target.with_suffix(".partial")
            if merge_counts(sorted(folder.glob(f"{part:03d}-*.arrow")), unfinished):
                unfinished.replace(target)
        return iter(())


def counts_in(folder: str | Path) -> SpilledCounts:
    """The counts that `SumCounts` left in a folder, as a mapping that `extend_from_counts` takes.

    Raises:
        CorpusError: there are none.
    """
    files = [Path(folder) / SUMS / f"{part:03d}.arrow" for part in range(PARTS)]
    if not any(file.exists() for file in files):
        raise CorpusError(
            found=f"no counts in {folder}", expected="a folder that was counted into, with text", do="check the path"
        )
    return SpilledCounts.of(files)


def count_distributed(
    corpus: CorpusConfig | Any,
    split: Split,
    folder: str | Path,
    *,
    max_per_document: int = 10,
    tasks: int = 2,
    workers: int = -1,
    logging_dir: str | Path | None = None,
) -> SpilledCounts:
    """The counts of `count_pretokens`, by `tasks` tasks of datatrove's local executor, `workers` at a time (-1: all).

    `corpus`: settings of a corpus, or a reader of datatrove's. Under Slurm or Ray, give the same two steps to those
    executors, `[reader, CountPretokens(...)]` and then `[SumCounts(...)]`, and read `counts_in`. Tasks
    that are done are not done again in the same `logging_dir`.

    Raises:
        ConfigError: datatrove is not installed, the folder holds counts already, or no process can be started because
            the script counts as soon as it is read.
        CorpusError: the corpus cannot be read, or has no text.
    """
    executor = _local_executor()
    place = Path(folder)
    if place.exists() and any(place.glob("*.arrow")):
        raise ConfigError(
            found=f"{place}, which holds counts already", expected="a new folder", do="name another, or use counts_in"
        )
    if workers != 1:
        _require_startable()
    logs = str(logging_dir or place / "logs")
    reader = ReadCorpus(corpus) if isinstance(corpus, CorpusConfig) else corpus
    first = executor(
        [reader, CountPretokens(split, str(place), max_per_document)],
        tasks=tasks, workers=workers, logging_dir=f"{logs}/count",
    )  # fmt: skip
    executor([SumCounts(str(place))], tasks=tasks, workers=workers, logging_dir=f"{logs}/sum", depends=first).run()
    return counts_in(place)


def _require_startable() -> None:
    """Returns where a process of this script can start, tried with one that does nothing.

    Each reads the script first, as the executor's do. One that counts as soon as it is read fails there, and the
    executor's pool would start such processes for ever.
    """
    trial = get_context("spawn").Process(target=_nothing)
    trial.start()
    trial.join()
    if trial.exitcode:
        raise ConfigError(
            found="a process that ended before it could count",
            expected='a script that starts under `if __name__ == "__main__":`, because each process reads it',
            do="add that line to the script, or pass workers=1",
        )


def _nothing() -> None:
    """What a process does that is only to show that it starts."""


def _local_executor() -> Any:
    try:
        from datatrove.executor.local import LocalPipelineExecutor  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(
            found=f"counting under datatrove, which is not installed ({error})",
            expected="the extra of that name",
            do="pip install 'tokengraft[distributed]', or count with count_pretokens",
        ) from error
    return LocalPipelineExecutor
