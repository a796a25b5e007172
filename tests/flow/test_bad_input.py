"""What cannot work is said before long work, in one message, with exit code 1, and nothing is left behind."""

import dataclasses
import gzip
import json
import shutil

import pytest

import tokengraft as tg
from tokengraft.config import CorpusConfig, RunConfig
from tokengraft.errors import TokengraftError
from tokengraft.stages.inputs import check_inputs
from tokengraft.stages.places import check_places
from tokengraft.tokenizer import TokenizerFile


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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]", "config.json holds list"),
        ("{}", "model_type"),
        ('{"model_type": "nonesuch"}', "nonesuch"),
        ('{"model_type": "t5"}', "model type t5"),
        ('{"model_type": "gpt2", "n_embd": "many"}', "n_embd"),
        ('{"model_type": "gpt2", "vocab_size": 100}', "100 rows in the model's tables"),
        ('{"model_type": "gpt2", "vocab_size": 330, "n_positions": 15}', "context of 15 tokens"),
    ],
)
def test_model_is_known_not_to_fit_before_its_weights_are_read(settings, model_folder, tmp_path, text, found):
    copy = copy_of(model_folder, tmp_path)
    (copy / "config.json").write_text(text)
    assert found in refused(settings, tmp_path, model=str(copy))


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_model_weights_are_cut_short(settings, model_folder, tmp_path, keep):
    copy = copy_of(model_folder, tmp_path)
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:keep])
    assert "model.safetensors: " in refused(settings, tmp_path, model=str(copy))


@pytest.mark.parametrize(
    ("index", "found"),
    [
        ({"weight_map": {"a": "shard-1.safetensors", "b": "shard-2.safetensors"}}, "without shard-2.safetensors"),
        ({"weight_map": {"a": "broken.safetensors"}}, "broken.safetensors: "),
        ({"weight_map": [1]}, "without weight_map"),
        ({}, "without weight_map"),
        ([], "holds list"),
        (None, "without model.safetensors or"),
    ],
)
def test_model_shards_are_not_all_there(settings, model_folder, tmp_path, index, found):
    copy = copy_of(model_folder, tmp_path)
    (copy / "model.safetensors").rename(copy / "shard-1.safetensors")
    (copy / "broken.safetensors").write_bytes(b"broken")
    if index is not None:
        (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert found in refused(settings, tmp_path, model=str(copy))


@pytest.mark.parametrize("name", ["gpt-nowhere", "nobody/gpt-nowhere"])
def test_a_name_that_may_be_on_the_hub(here, monkeypatch, corpus_file, tmp_path, name):
    """A bare name may be one as well (gpt2); that the hub is out of reach is said in one message."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    done = here("expand", "--model", name, "--corpus", corpus_file, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert f"no folder {name} is here" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["./gpt2", "/gpt2", "a/b/c", "..", "", "m" * 5000 + "/"])
def test_a_name_that_cannot_be_on_the_hub(settings, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    refused(settings, tmp_path, model=name)


def test_home_in_the_name_of_the_model(settings, model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(model_folder.parent))
    changed = {**settings, "model": f"~/{model_folder.name}", "out": str(tmp_path / "run")}
    assert check_inputs(RunConfig.from_dict(changed)).size == TokenizerFile.load(model_folder).size


@pytest.mark.parametrize(("first", "second"), [("corpus", "general"), ("corpus", "replay"), ("general", "replay")])
def test_one_text_for_two_ends(settings, tmp_path, corpus_file, general_file, first, second):
    other = tmp_path / "link.jsonl"
    other.symlink_to(corpus_file)
    changes = {"corpus": str(general_file), "general": None, first: str(corpus_file), second: str(other)}
    assert f"{first} and {second} are both" in refused(settings, tmp_path, **changes)


def test_two_parts_of_one_folder_are_two_texts(settings, tmp_path):
    def part(pattern):
        return CorpusConfig(str(tmp_path), include=(pattern,))

    config = RunConfig(model="m", corpus=part("*.py"), general=part("*.md"), out=settings["model"])
    check_places(config)
    with pytest.raises(TokengraftError, match="corpus and replay"):
        check_places(dataclasses.replace(config, replay=part("*.py")))


@pytest.mark.parametrize("name", ["corpus", "general", "replay"])
@pytest.mark.parametrize("out", ["tokengraft-run", "deep/../deeper/run", "."])
def test_the_run_lies_in_its_own_corpus(settings, tmp_path, monkeypatch, name, out):
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.txt").write_text("dear")
    monkeypatch.chdir(project)
    with pytest.raises(TokengraftError, match=f"lies inside {name}"):
        tg.expand({**settings, name: ".", "out": out})
    assert [path.name for path in project.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("out", ["", "run"])
def test_the_run_lies_in_the_model(settings, model_folder, tmp_path, out):
    copy = copy_of(model_folder, tmp_path)
    with pytest.raises(TokengraftError, match="lies inside model"):
        tg.expand({**settings, "model": str(copy), "out": str(copy / out)})
    assert {path.name for path in copy.iterdir()} == {path.name for path in model_folder.iterdir()}


def test_a_folder_beside_the_corpus_is_not_in_it(tmp_path):
    (tmp_path / "run").mkdir()
    check_places(RunConfig(model="m", corpus=CorpusConfig(str(tmp_path / "run")), out=str(tmp_path / "run-2")))


def test_a_name_that_is_too_long(settings, tmp_path):
    with pytest.raises(TokengraftError, match="File name too long"):
        tg.expand({**settings, "out": str(tmp_path / ("x" * 300))})


def test_the_users_own_config_is_left_alone(settings, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "config.yaml").write_text("model: a\n")
    with pytest.raises(TokengraftError, match=r"config\.yaml"):
        tg.expand({**settings, "out": str(out)})
    assert (out / "config.yaml").read_text() == "model: a\n"
    assert len(list(out.iterdir())) == 1


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
        ("cut.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 500, mtime=0)[:-20], "cut.jsonl.gz"),
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
    with pytest.raises(TokengraftError, match="no candidate"):
        tg.expand({**settings, "out": str(tmp_path / "out"), "corpus": write(tmp_path, "a.jsonl", rows.encode())})
    assert "tokens" not in json.loads((tmp_path / "out" / "run.json").read_text())["stages"]
    assert not (tmp_path / "out" / "tokenizer").exists()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"tokens": {"size": 0}}, "tokens.size = 0"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"device": "meta"}, "device 'meta'"),
        ({"seed": -1}, "seed = -1"),
        ({"tokens": 5}, "tokens = 5"),
        ({"distill": {"max_length": 8}}, "distill.max_length = 8"),
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


def test_settings_built_in_python_are_checked_as_well(settings, tmp_path):
    config = RunConfig.from_dict({**settings, "out": str(tmp_path / "out")})
    with pytest.raises(TokengraftError, match="seed = -1"):
        tg.expand(dataclasses.replace(config, seed=-1))
    assert not (tmp_path / "out").exists()


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
