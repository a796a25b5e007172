"""What cannot work is said before long work, in one message, with exit code 1, and nothing is left behind."""

import gzip
import json
import shutil

import pytest

import tokengraft as tg
from tokengraft.errors import TokengraftError


def refused(settings, tmp_path, **changes):
    """The message that these settings are refused with; the folder of the run must not have come into being."""
    out = tmp_path / "out"
    with pytest.raises(TokengraftError) as error:
        tg.expand({**settings, "out": str(out), **changes})
    assert not out.exists(), "a run that cannot work leaves nothing"
    return str(error.value)


def test_model_is_missing(settings, tmp_path):
    assert "no folder" in refused(settings, tmp_path, model=str(tmp_path / "nowhere"))


def test_folder_is_no_model(settings, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "config.json" in refused(settings, tmp_path, model=str(tmp_path / "empty"))


def copy_of(model_folder, tmp_path, without=()):
    copy = tmp_path / "copy"
    shutil.copytree(model_folder, copy)
    for name in without:
        (copy / name).unlink()
    return copy


def test_model_has_no_safetensors(settings, model_folder, tmp_path):
    copy = copy_of(model_folder, tmp_path, ["model.safetensors"])
    assert "safetensors" in refused(settings, tmp_path, model=str(copy))


def test_model_has_no_fast_tokenizer(settings, model_folder, tmp_path):
    copy = copy_of(model_folder, tmp_path, ["tokenizer.json"])
    assert "tokenizer" in refused(settings, tmp_path, model=str(copy))


def test_model_config_is_broken(settings, model_folder, tmp_path):
    copy = copy_of(model_folder, tmp_path)
    (copy / "config.json").write_text("{")
    assert "config.json" in refused(settings, tmp_path, model=str(copy))


def write(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("empty.jsonl", b"", "0 documents"),
        ("broken.jsonl", b'{"text": "a"}\n{"text": \n', "2"),
        ("field.jsonl", b'{"body": "a", "title": "b"}\n', "body"),
        ("binary.txt", bytes(range(256)) * 20, "binary"),
        ("cut.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 500)[:-20], "cut.jsonl.gz"),
    ],
)
def test_corpus_cannot_be_read(settings, tmp_path, name, data, found):
    assert found in refused(settings, tmp_path, corpus=write(tmp_path, name, data))


def test_corpus_is_too_small_to_split(settings, tmp_path):
    corpus = write(tmp_path, "one.jsonl", b'{"text": "a b c"}\n')
    assert "document" in refused(settings, tmp_path, corpus=corpus)


def test_nothing_is_left_to_merge(settings, tmp_path):
    """Known only once the words are counted: the folder is there by then, but no stage is half done."""
    rows = "".join(json.dumps({"text": f"{letter} {letter}"}) + "\n" for letter in "abcdefghijklmnopqrstuvwxyz")
    with pytest.raises(TokengraftError, match="no pair"):
        tg.expand({**settings, "out": str(tmp_path / "out"), "corpus": write(tmp_path, "a.jsonl", rows.encode())})
    assert "tokens" not in json.loads((tmp_path / "out" / "run.json").read_text())["stages"]
    assert not (tmp_path / "out" / "tokenizer").exists()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"tokens": {"size": 0}}, "tokens.size = 0"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"dtype": "float8"}, "dtype 'float8'"),
        ({"init": {"inputs": "magic"}}, "initialiser 'magic'"),
        ({"distill": {"objective": "klr"}}, "did you mean 'kl'"),
        ({"tokens": {"method": "guess"}}, "token method 'guess'"),
    ],
)
def test_a_setting_cannot_be(settings, tmp_path, changes, found):
    assert found in refused(settings, tmp_path, **changes)


def test_the_disk_is_full(settings, tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))(2**30, 2**30 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "MiB free" in refused(settings, tmp_path)


def test_the_place_holds_something_else(settings, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    with pytest.raises(TokengraftError, match=r"letter\.txt"):
        tg.expand({**settings, "out": str(out)})
    assert [path.name for path in out.iterdir()] == ["letter.txt"]


def test_the_corpus_changed_between_two_starts(settings, tmp_path, corpus_file):
    corpus = tmp_path / "corpus.jsonl"
    shutil.copy(corpus_file, corpus)
    changed = {**settings, "corpus": str(corpus), "out": str(tmp_path / "run")}
    tg.expand({**changed, "distill": {"steps": 1, "tokens_per_step": 200, "max_length": 32}})
    lines = corpus.read_text().splitlines(keepends=True)
    corpus.write_text("".join(line.replace("hidden", "seen") for line in lines))
    with pytest.raises(TokengraftError, match="other text in the corpus"):
        tg.expand({**changed, "distill": {"steps": 1, "tokens_per_step": 200, "max_length": 32}})


def test_the_program_says_it_and_ends_with_one(program, tmp_path):
    done = program("expand", "--model", tmp_path / "nowhere", "--corpus", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.count("found:") == done.stderr.count("expected:") == done.stderr.count("do:") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["expnad"], ["expand", "--no-such-flag", "1"], ["demo", "--size", "many"]])
def test_misuse_ends_with_two(program, arguments):
    done = program(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_size_zero_is_refused_by_the_demo(program):
    done = program("demo", "--size", "0")
    assert done.returncode == 1
    assert "tokens.size = 0" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["expand", "--help"], ["demo", "--help"], ["--version"]])
def test_help_is_there(program, arguments):
    done = program(*arguments)
    assert done.returncode == 0
    assert "tokengraft" in done.stdout
    assert "torch" not in done.stderr


@pytest.mark.data
@pytest.mark.parametrize("name", ["tinygpt-shakespeare-hf", "chemts-gpt2-0.2m-smiles"])
def test_a_family_that_cannot_be_extended_yet_is_refused_with_the_reason(settings, tmp_path, shared_data, name):
    message = refused(settings, tmp_path, model=str(shared_data / "models" / name))
    assert "byte-level" in message
