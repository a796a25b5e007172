"""Every corpus that cannot be used is refused by `check_readable`, with its place, what was expected and a way out."""

import gzip

import pytest

from tokengraft.config import CorpusConfig
from tokengraft.corpus import check_readable, stream
from tokengraft.errors import ConfigError, CorpusError


def refusal(path, **settings):
    with pytest.raises(CorpusError) as caught:
        check_readable(CorpusConfig(str(path), **settings))
    assert caught.value.found
    assert caught.value.expected
    assert caught.value.do
    return caught.value


def write(path, data):
    path.write_bytes(data)
    return path


def test_missing_path(tmp_path):
    error = refusal(tmp_path / "notes.jsonl")
    assert error.found == f"nothing at {tmp_path / 'notes.jsonl'}"
    assert ".jsonl[.gz|.zst]" in error.expected
    assert "hub:" not in error.do


def test_path_that_looks_like_a_hub_name():
    assert refusal("no-such-owner/no.such.name").do.endswith("write hub:no-such-owner/no.such.name")


def test_no_path():
    assert refusal("").found == "nothing at an empty path"


@pytest.mark.parametrize(
    ("name", "found", "way_out"),
    [
        ("notes.gz", "a .gz file", "end its name in .jsonl.gz"),
        ("notes.txt.gz", "a .gz file", "unpack it"),
        ("notes.json", "a .json file", "one JSON object a line"),
        ("notes.csv", "a .csv file", "give the folder"),
        ("notes", "a file without a suffix", "rename it to .txt"),
    ],
)
def test_file_of_no_known_form(tmp_path, name, found, way_out):
    error = refusal(write(tmp_path / name, b"x"))
    assert error.found.endswith(found)
    assert way_out in error.do


@pytest.mark.parametrize("name", ["notes.txt", "notes.jsonl"])
def test_binary_file(tmp_path, name):
    error = refusal(write(tmp_path / name, b"\x7fELF\x02\x01\x01\x00\x00"))
    assert error.found == f"{tmp_path / name}: a binary file (a NUL byte at offset 7)"


def test_utf16_is_recognised(tmp_path):
    assert "set `encoding` to utf-16" in refusal(write(tmp_path / "a.txt", "text".encode("utf-16"))).do


@pytest.mark.parametrize("name", ["notes.txt", "notes.jsonl"])
def test_wrong_encoding(tmp_path, name):
    error = refusal(write(tmp_path / name, b'{"text": "caf\xe9"}\n'))
    assert error.found.endswith("byte 0xe9 at offset 13 is not utf-8")
    assert "`encoding`" in error.do


def test_unknown_encoding(tmp_path):
    for name in ("utf-9", "base64"):
        with pytest.raises(ConfigError, match=f"encoding = '{name}'"):
            check_readable(CorpusConfig(str(write(tmp_path / "a.txt", b"x")), encoding=name))


def test_no_documents_are_wanted(tmp_path):
    with pytest.raises(ConfigError, match="max_documents = 0"):
        check_readable(CorpusConfig(str(write(tmp_path / "a.txt", b"x")), max_documents=0))


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_empty_file(tmp_path, name):
    assert refusal(write(tmp_path / name, b"")).found.startswith("0 documents in ")


def test_folder_without_text(tmp_path):
    write(tmp_path / "a.png", b"\x89PNG\0")
    write(tmp_path / "b.py", b"\n")
    assert refusal(tmp_path).found == f"0 documents in {tmp_path} (passed over: 1 binary, 1 empty)"


def test_include_that_matches_nothing(tmp_path):
    write(tmp_path / "a.py", b"x")
    assert "that match *.v, *.sv (passed over: none)" in refusal(tmp_path, include=("*.v", "*.sv")).found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"text": "x"', "Expecting ',' delimiter (column 13)"),
        (b"[1, 2]", "a JSON list"),
        (b'"x"', "a JSON str"),
        (b"[" * 100_000, "recursion"),
        (b'{"text": 5}', "field 'text' holds int"),
        (b'{"text": ["x"]}', "field 'text' holds list"),
        (b'{"body": "x", "id": 1}', "no field 'text'; there is body, id"),
        (b"{}", "no field 'text'; there is none"),
    ],
)
def test_broken_line(tmp_path, line, found):
    path = write(tmp_path / "a.jsonl", b'{"text": "good"}\n\n' + line + b"\n")
    error = refusal(path)
    assert error.found.startswith(f"{path}, line 3: ")
    assert found in error.found


def test_near_name_of_a_field_is_proposed(tmp_path):
    assert refusal(write(tmp_path / "a.jsonl", b'{"test": 1, "x": 2}')).do == "did you mean `field` 'test'?"


def test_long_lists_of_fields_are_cut(tmp_path):
    fields = ", ".join(f'"f{i}": 1' for i in range(50))
    assert refusal(write(tmp_path / "a.jsonl", f"{{{fields}}}".encode())).found.endswith("f19, ...")


def test_documents_before_a_broken_line_are_given_out(tmp_path):
    documents = stream(CorpusConfig(str(write(tmp_path / "a.jsonl", b'{"text": "good"}\n{"text'))))
    assert next(documents).text == "good"
    with pytest.raises(CorpusError, match="line 2"):
        next(documents)


@pytest.mark.parametrize(
    "data", [gzip.compress(b'{"text": "x"}\n' * 99, mtime=0)[:-12], b"no gzip at all", b"\x1f\x8b\x08\0" * 9]
)
def test_broken_gzip(tmp_path, data):
    assert "a.jsonl.gz" in refusal(write(tmp_path / "a.jsonl.gz", data)).found


def test_broken_zstandard(tmp_path):
    assert "ZSTD" in refusal(write(tmp_path / "a.jsonl.zst", b"no zstandard at all")).found


@pytest.mark.parametrize("data", [b"", b"PAR1 no parquet at all PAR1"])
def test_broken_parquet(tmp_path, data):
    assert refusal(write(tmp_path / "a.parquet", data)).expected == "a sound Parquet file"


def test_parquet_without_the_column(tmp_path):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"content": ["x"], "size": [1]}), tmp_path / "a.parquet")
    error = refusal(tmp_path / "a.parquet")
    assert error.found.endswith("no field 'text'; there is content, size")
    assert refusal(tmp_path / "a.parquet", field="size").found.endswith("field 'size' holds int64")


def test_neither_file_nor_folder():
    assert refusal("/dev/null").found == "/dev/null: neither a file nor a folder"
