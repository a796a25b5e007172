"""A folder: what is read of it, what is passed over, and when it is a folder of records."""

import os
from collections import Counter

import pytest

from tokengraft.config import CorpusConfig
from tokengraft.corpus import check_readable, stream
from tokengraft.errors import CorpusError


def names(config, skipped=None):
    return [document.name for document in stream(config, skipped)]


def test_names_are_sorted_relative_paths(tmp_path, write):
    path = write.folder(tmp_path, {"b/z.py": "1", "b.py": "2", "a/c/d.v": "3", "B.py": "4"})
    assert names(CorpusConfig(path)) == ["B.py", "a/c/d.v", "b.py", "b/z.py"]


def test_what_is_not_the_projects_own_text_is_left_out(tmp_path, write):
    files = [".git/config", ".hidden.py", "a/__pycache__/a.py", "node_modules/x/i.js", "CVS/Entries", "kept/a.py"]
    path = write.folder(tmp_path, dict.fromkeys(files, "text"))
    assert names(CorpusConfig(path)) == ["kept/a.py"]


def test_files_that_are_no_text_are_passed_over_and_counted(tmp_path, write):
    skipped = Counter()
    contents = {
        "a.py": "x",
        "image.png": b"\x89PNG\0\0",
        "latin.py": b"caf\xe9",
        "empty.py": b"",
        "bom.py": b"\xef\xbb\xbfy",
    }
    path = write.folder(tmp_path, contents)
    assert [document.text for document in stream(CorpusConfig(path), skipped)] == ["x", "y"]
    assert skipped == {"binary": 1, "not utf-8": 1, "empty": 1}


def test_encoding_is_that_of_every_file(tmp_path, write):
    path = write.folder(tmp_path, {"a.txt": "é".encode("latin-1"), "b.txt": "x"})
    assert [document.text for document in stream(CorpusConfig(path, encoding="latin-1"))] == ["é", "x"]


def test_links_are_not_followed(tmp_path, write):
    path = write.folder(tmp_path / "in", {"a.py": "x"})
    write.folder(tmp_path / "out", {"secret.py": "s"})
    os.symlink(tmp_path / "out", tmp_path / "in" / "folder")
    os.symlink(tmp_path / "out" / "secret.py", tmp_path / "in" / "file.py")
    os.symlink(tmp_path / "in" / "a.py", tmp_path / "in" / "copy.py")
    skipped = Counter()
    assert names(CorpusConfig(path), skipped) == ["a.py"]
    assert skipped == {"symbolic link": 2}


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (("*.v",), ["rtl/core/alu.v", "rtl/top.v", "sim/tb.v"]),
        (("rtl/**/*.v",), ["rtl/core/alu.v", "rtl/top.v"]),
        (("**/tb.v", "*.py"), ["gen.py", "sim/tb.v"]),
        (("sim/*",), ["sim/tb.v"]),
    ],
)
def test_include_narrows_a_folder_down(tmp_path, write, include, expected):
    path = write.folder(tmp_path, dict.fromkeys(["rtl/core/alu.v", "rtl/top.v", "sim/tb.v", "gen.py"], "x"))
    assert names(CorpusConfig(path, include=include)) == expected


def test_records_beside_source_are_source(tmp_path, write):
    path = write.folder(tmp_path, {"make.py": "x", "cases/a.jsonl": '{"no": "field"}\n'})
    assert names(CorpusConfig(path)) == ["cases/a.jsonl", "make.py"]


def test_include_can_pick_the_records(tmp_path, write):
    path = write.folder(tmp_path, {"make.py": "x", "data/a.jsonl": '{"text": "y"}\n'})
    assert names(CorpusConfig(path, include=("*.jsonl",))) == ["data/a.jsonl:1"]


def test_a_folder_of_text_may_hold_a_readme_alone(tmp_path, write):
    assert names(CorpusConfig(write.folder(tmp_path, {"README.md": "x"}))) == ["README.md"]


def test_the_first_record_of_each_file_is_checked_early(tmp_path, write):
    write.jsonl(tmp_path / "a.jsonl", ["x"] * 100)
    write.jsonl(tmp_path / "b.jsonl", ["x"], field="body")
    with pytest.raises(CorpusError, match=r"b\.jsonl, line 1: no field 'text'; there is id, body"):
        check_readable(CorpusConfig(str(tmp_path)))


def test_name_that_is_not_utf8_can_be_written(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"\xff.py")).write_text("x", encoding="utf-8")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    assert names(CorpusConfig(str(tmp_path))) == [r"\xff.py"]
