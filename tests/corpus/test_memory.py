"""What is streamed is never in memory whole."""

import tracemalloc

import pytest

from tokengraft.config import CorpusConfig
from tokengraft.corpus import stream

MEGABYTE = 1 << 20


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.txt"])
def test_text_is_streamed(tmp_path, write, name):
    line = "word " * 200
    if name == "a.txt":
        (tmp_path / name).write_text(f"{line}\n" * 16_000, encoding="utf-8")
    else:
        write.jsonl(tmp_path / name, [line] * 16_000)
    read = peak_of(CorpusConfig(str(tmp_path / name)))
    assert read.characters >= 16_000 * len(line)
    assert read.peak < 4 * MEGABYTE


def test_parquet_is_streamed(tmp_path, write):
    import pyarrow

    texts = [f"{i} " + "word " * 400 for i in range(16_000)]
    path = write.parquet(tmp_path / "a.parquet", texts, row_group_size=1000)
    pool = pyarrow.system_memory_pool()
    usual = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pool)
    try:
        assert sum(len(document.text) for document in stream(CorpusConfig(path))) == sum(map(len, texts))
        assert pool.max_memory() < 16 * MEGABYTE
    finally:
        pyarrow.set_memory_pool(usual)


class Read:
    def __init__(self, characters, peak):
        self.characters = characters
        self.peak = peak


def peak_of(config):
    """Reads a corpus once for its imports and once to be measured."""
    next(stream(config))
    tracemalloc.start()
    try:
        characters = sum(len(document.text) for document in stream(config))
        return Read(characters, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
