"""Exact counts of pre-tokens, the strings that a tokenizer's split pattern cuts a text into.

A pre-token counts only so often in one document. Without that cap, a single generated file decides which tokens a
vocabulary gets. Memory is bounded by the number of distinct pre-tokens, and past a cap on that by the cap.
"""

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol, runtime_checkable

from tokengraft.corpus.spill import Spill
from tokengraft.errors import ConfigError

Split = Callable[[str], Sequence[str]]
"""From a text to its pre-tokens; picklable. For a byte-level BPE: `regex.compile(pattern).findall`."""


@runtime_checkable
class Tallies(Protocol):
    """A split that counts faster than it lists."""

    def tally(self, text: str) -> Mapping[str, int]:
        """How often each pre-token occurs in a text, in an order that depends on the text alone."""
        ...


Counts = dict[str, int]
CountBatch = Callable[[Sequence[str]], Counts]

BATCH = 1 << 22
"""Characters that are counted as one piece of work: about half a second."""

MAX_DISTINCT = 20_000_000
"""Distinct pre-tokens that counting holds in memory, about 2.5 GB; what comes past it goes to disk."""

ALONE = 8
"""Batches below which other processes are not worth the second that they take to start."""


def count_pretokens(
    texts: Iterable[str],
    split: Split,
    *,
    max_per_document: int,
    processes: int | None = None,
    max_distinct: int = MAX_DISTINCT,
    spill_folder: str | Path | None = None,
) -> Mapping[str, int]:
    """How often each pre-token occurs, at most `max_per_document` times in one text.

    The order is that of first occurrence; in one text as its tally has it, where the split tallies. The result, its
    order included, is the same for any number of processes. None takes the cores that there are, or this process alone
    for a small corpus. A few batches of text are in memory at a time. Counts are Python's own integers, exact at any
    size. Past `max_distinct` pre-tokens, counts go to disk (in `spill_folder`; None: where temporary files go), and the
    result is a mapping that is read from there, as exact, in an order of its own.

    >>> count_pretokens(["a b a a", "b c"], str.split, max_per_document=2)
    {'a': 2, 'b': 2, 'c': 1}

    Raises:
        ConfigError: a number is below 1, or a counting process was ended from outside.
    """
    numbers = {"max_per_document": max_per_document, "processes": processes, "max_distinct": max_distinct}
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise ConfigError(found=f"{name} = {value}", expected="1 or more", do=f"raise {name}")
    total: Counts = {}
    spill: Spill | None = None
    for counts in _counted(_batches(texts), Counting(split, max_per_document), processes):
        _add(total, counts)
        if len(total) > max_distinct:
            spill = spill or Spill(spill_folder)
            spill.write(total)
            total.clear()
    if spill is None:
        return total
    spill.write(total)
    return spill.counts()


@dataclass(frozen=True, slots=True)
class Counting:
    """What a counting process does to a batch of texts; picklable."""

    split: Split
    max_per_document: int

    def __call__(self, texts: Iterable[str]) -> Counts:
        """Capped counts of the texts, in the order of their tallies."""
        split, most = self.split, self.max_per_document
        tally = split.tally if isinstance(split, Tallies) else lambda text: Counter(split(text))
        total: Counts = {}
        known = total.get
        for text in texts:
            for pretoken, count in tally(text).items():
                total[pretoken] = known(pretoken, 0) + (count if count < most else most)
        return total


def _add(total: Counts, counts: Counts) -> None:
    for pretoken, count in counts.items():
        total[pretoken] = total.get(pretoken, 0) + count


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _counted(batches: Iterator[list[str]], count: CountBatch, processes: int | None) -> Iterator[Counts]:
    """The counts of each batch, in the batches' order."""
    if processes is None:
        beginning = list(islice(batches, ALONE))
        processes = _cores() if len(beginning) == ALONE else 1
        batches = chain(beginning, batches)
    return map(count, batches) if processes == 1 else _in_parallel(batches, count, processes)


def _in_parallel(batches: Iterable[list[str]], count: CountBatch, processes: int) -> Iterator[Counts]:
    # Fresh processes: a fork of one in which torch or tokenizers run threads can deadlock.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(count,)) as pool:
        waiting: deque[Future[Counts]] = deque()
        for batch in batches:
            waiting.append(pool.submit(_count_here, batch))
            if len(waiting) > 2 * processes:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())


_counting: list[CountBatch] = []
"""In a counting process: what it was started for. It stays, and so does what it remembers between batches."""


def _begin(count: CountBatch) -> None:
    _counting[:] = [count]


def _count_here(texts: Sequence[str]) -> Counts:
    return _counting[0](texts)


def _result(future: Future[Counts]) -> Counts:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise ConfigError(
            found="a counting process that ended before its work was done",
            expected='memory for each process, and a script that starts under `if __name__ == "__main__":`',
            do="add that line to the script, or pass processes=1",
        ) from error


def _cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
