"""Counts equal to those of a plain Counter with the cap, whatever the batches and however many processes."""

import os
from collections import Counter

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.config import CorpusConfig
from tokengraft.corpus import count_pretokens, counts, stream
from tokengraft.errors import ConfigError

GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def reference(texts, split, cap):
    """The plain way: every occurrence looked at, in reading order."""
    total = {}
    for text in texts:
        seen = Counter()
        for pretoken in split(text):
            seen[pretoken] += 1
            total.setdefault(pretoken, 0)
            if seen[pretoken] <= cap:
                total[pretoken] += 1
    return total


@given(st.lists(st.text("ab 1'\n", max_size=40)), st.integers(1, 5), st.integers(1, 60))
def test_counts_are_those_of_the_plain_way(texts, cap, batch):
    split = regex.compile(GPT2).findall
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "BATCH", batch)
        found = count_pretokens(iter(texts), split, max_per_document=cap, processes=1)
    assert list(found.items()) == list(reference(texts, split, cap).items())


def test_processes_change_nothing(monkeypatch, code, english):
    monkeypatch.setattr(counts, "BATCH", 2000)
    texts = [text for pair in zip(code, english, strict=True) for text in pair]
    split = regex.compile(GPT2).findall
    alone = count_pretokens(texts, split, max_per_document=3, processes=1)
    assert list(count_pretokens(texts, split, max_per_document=3, processes=2).items()) == list(alone.items())
    assert alone == reference(texts, split, 3)


def test_a_small_corpus_starts_no_process(monkeypatch):
    monkeypatch.setattr(counts, "ProcessPoolExecutor", None)
    assert count_pretokens(["a b"] * 100, str.split, max_per_document=1) == {"a": 100, "b": 100}


def test_a_large_corpus_takes_the_cores(monkeypatch):
    seen = []
    monkeypatch.setattr(counts, "BATCH", 3)
    monkeypatch.setattr(counts, "_cores", lambda: 5)
    monkeypatch.setattr(counts, "_in_parallel", lambda batches, count, n: seen.append(n) or map(count, batches))
    assert count_pretokens(["a b"] * 100, str.split, max_per_document=1) == {"a": 100, "b": 100}
    assert seen == [5]


def test_texts_are_streamed(monkeypatch):
    """No more is read ahead than there is work for."""
    monkeypatch.setattr(counts, "BATCH", 1)
    taken = []
    texts = (taken.append(i) or f"w{i}" for i in range(100))
    results = counts._counted(counts._batches(texts), counts.Counting(str.split, 1), processes=2)
    assert next(results) == {"w0": 1}
    assert len(taken) == 5
    results.close()


def test_counts_pass_32_bits():
    total = {}
    for _ in range(3):
        counts._add(total, {"a": 2**31})
    assert total == {"a": 3 * 2**31}


def test_no_texts_have_no_counts():
    assert count_pretokens([], str.split, max_per_document=1) == {}


@pytest.mark.parametrize("settings", [{"max_per_document": 0}, {"max_per_document": 1, "processes": 0}])
def test_numbers_below_one_are_refused(settings):
    with pytest.raises(ConfigError, match="= 0"):
        count_pretokens(["a"], str.split, **settings)


class Exits:
    """A split that ends its process, as the system does when memory runs out."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_process_that_is_killed_is_reported():
    with pytest.raises(ConfigError, match="processes=1"):
        count_pretokens(["a"], Exits(), max_per_document=1, processes=2)


def test_an_error_of_the_corpus_comes_through(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text', encoding="utf-8")
    documents = stream(CorpusConfig(str(tmp_path / "a.jsonl")))
    with pytest.raises(Exception, match="line 2"):
        count_pretokens((d.text for d in documents), str.split, max_per_document=1, processes=2)
