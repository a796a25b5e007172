"""What every format promises: the same texts, in the same order, under the same names, each time."""

import subprocess
import sys
from collections import Counter

import pytest

from tokengraft.config import CorpusConfig
from tokengraft.corpus import check_readable, stream
from tokengraft.corpus.formats import format_of, formats


def test_texts_come_back_exactly_and_in_order(location, texts):
    assert [document.text for document in stream(CorpusConfig(location))] == texts


def test_names_are_distinct_and_the_same_each_time(location, texts):
    names = [document.name for document in stream(CorpusConfig(location))]
    assert len(set(names)) == len(texts)
    assert names == [document.name for document in stream(CorpusConfig(location))]


def test_names_do_not_depend_on_where_the_corpus_stands(location, tmp_path):
    for document in stream(CorpusConfig(location)):
        assert str(tmp_path) not in document.name


def test_exactly_one_format_claims_it(location):
    assert len([entry.name for entry in formats if entry.function.claims(location)]) == 1


def test_is_readable(location):
    check_readable(CorpusConfig(location))


def test_no_more_documents_than_asked(location, texts):
    found = stream(CorpusConfig(location, max_documents=2))
    assert [document.text for document in found] == texts[:2]


def test_empty_texts_are_passed_over_and_counted(tmp_path, write):
    skipped = Counter()
    path = write.jsonl(tmp_path / "a.jsonl", ["x", "", " \n", None])
    assert [document.name for document in stream(CorpusConfig(path), skipped)] == ["a.jsonl:1"]
    assert skipped == {"empty": 3}


def test_null_in_parquet_is_an_empty_text(tmp_path, write):
    path = write.parquet(tmp_path / "a.parquet", ["x", None, "y"])
    assert [(d.name, d.text) for d in stream(CorpusConfig(path))] == [("a.parquet:1", "x"), ("a.parquet:3", "y")]


def test_text_that_no_tokenizer_can_encode_is_passed_over(tmp_path, write):
    skipped = Counter()
    path = write.jsonl(tmp_path / "a.jsonl", ["x", "half a pair: \ud83d"])
    assert [document.text for document in stream(CorpusConfig(path), skipped)] == ["x"]
    assert skipped == {"lone surrogate": 1}


def test_blank_lines_count_but_hold_nothing(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "x"}\r\n\r\n  \n{"text": "y"}')
    assert [document.name for document in stream(CorpusConfig(str(path)))] == ["a.jsonl:1", "a.jsonl:4"]


@pytest.mark.parametrize("column", ["string", "large_string", "string_view", "dictionary"])
def test_parquet_reads_every_kind_of_text_column(tmp_path, column):
    import pyarrow
    from pyarrow import parquet

    kind = (
        pyarrow.dictionary(pyarrow.int32(), pyarrow.string()) if column == "dictionary" else getattr(pyarrow, column)()
    )
    parquet.write_table(pyarrow.table({"text": pyarrow.array(["x", "y", "x"]).cast(kind)}), tmp_path / "a.parquet")
    assert [document.text for document in stream(CorpusConfig(str(tmp_path / "a.parquet")))] == ["x", "y", "x"]


def test_another_field_and_encoding(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "café"}\n', encoding="utf-16")
    assert [document.text for document in stream(CorpusConfig(str(path), field="body", encoding="utf-16"))] == ["café"]


def test_home_is_expanded(tmp_path, monkeypatch, write):
    monkeypatch.setenv("HOME", str(tmp_path))
    write.jsonl(tmp_path / "a.jsonl", ["x"])
    assert [document.text for document in stream(CorpusConfig("~/a.jsonl"))] == ["x"]


def test_every_format_tells_what_is_its_own():
    assert {"folder", "hub", "jsonl", "parquet", "text"} <= set(formats.names())
    assert all(entry.function.forms for entry in formats)
    assert format_of("nowhere.jsonl") is None


def test_heavy_libraries_wait_until_a_format_needs_them(tmp_path, write):
    path = write.jsonl(tmp_path / "a.jsonl", ["x"])
    program = (
        "import sys; from tokengraft.corpus import stream; from tokengraft.config import CorpusConfig;"
        f"assert list(stream(CorpusConfig({path!r})));"
        "print({'torch', 'transformers', 'tokenizers', 'pyarrow', 'datasets', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
