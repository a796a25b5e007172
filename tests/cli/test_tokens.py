"""`tokengraft tokens` and `tokengraft extend` in a fresh process, also where torch and transformers are not."""

import json
import os
import re
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from tokengraft.cli import main

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory, english, code):
    """A tokenizer that knows English, and a corpus of code."""
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("shared_conftest", Path(__file__).resolve().parents[1] / "conftest.py")
    shared = module_from_spec(spec)
    spec.loader.exec_module(shared)
    folder = tmp_path_factory.mktemp("material")
    shared.make_byte_level_bpe(english).save(str(folder / "tokenizer.json"))
    (folder / "code.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in code))
    (folder / "english.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in english[:30]))
    return folder


def run(material, command, *flags, program=None):
    arguments = [command, "--model", str(material), "--corpus", str(material / "code.jsonl"), *map(str, flags)]
    start = ["-m", "tokengraft"] if program is None else ["-c", program]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_tokens_prints_the_ceiling_first_then_tokens_and_rejects(material):
    done = run(
        material, "tokens", "--size", 20, "--rows", 4, "--filter", "numerals", "--general", material / "english.jsonl"
    )
    assert done.returncode == 0, done.stderr
    place = done.stdout.index
    assert place("ceiling") < place("4 of 20 new tokens") < place("rejects") < place("heldout") < place("general")
    assert "not among the 20 most frequent" in done.stdout
    assert re.search(r"\d of them intermediate: steps to longer ones, in \d.*% of the uses", done.stdout)


def test_tokens_as_json(material):
    done = run(material, "tokens", "--size", 20, "--json", "--min-exposure", 5)
    found = json.loads(done.stdout)
    assert found["added"] == len(found["tokens"]) <= 20
    assert all(reject["rejected"] for reject in found["rejects"])
    merges = {token["id"]: token["merge"] for token in found["tokens"]}
    steps = {token["id"]: token["step_to"] for token in found["tokens"] if "intermediate" in token["notes"]}
    assert steps
    assert all(number in merges[end] for number, end in steps.items())
    assert all(token["saved"] == token["uses"] * (len(token["pieces"]) - 1) for token in found["tokens"])
    assert 0 < found["measured"]["heldout"]["saved"] <= found["ceiling"]["share"] < 1


def test_extend_without_torch_and_transformers(material, tmp_path):
    program = f"{BLOCKED}\nfrom tokengraft.cli import main\nmain(sys.argv[1:])"
    done = run(material, "extend", "--size", 20, "--out", tmp_path / "out", program=program)
    assert done.returncode == 0, done.stderr
    assert "every new token is reachable" in done.stdout
    assert "same ids in transformers" not in done.stdout
    loaded = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    rows = [json.loads(line) for line in (tmp_path / "out" / "candidates.jsonl").read_text().splitlines()]
    assert loaded.get_vocab_size() == Tokenizer.from_file(str(material / "tokenizer.json")).get_vocab_size() + 20
    assert sum("rejected" in row for row in rows) == len(rows) - 20
    record = json.loads((tmp_path / "out" / "tokengraft.json").read_text())
    assert all(check["passed"] or check["measured"] for check in record["checks"])


def test_the_library_extends_without_torch(material):
    program = f"""{BLOCKED}
import tokengraft
extension = tokengraft.extend_tokenizer({str(material)!r}, ["hidden_states = hidden_states"] * 3, 5, processes=1)
print(len(extension.new_tokens))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "5\n", done.stderr


def test_extend_is_tried_in_transformers(material, tmp_path):
    done = run(material, "extend", "--size", 10, "--out", tmp_path / "out", "--json", "--python", "no/such/python",
               "--allow", "same ids in transformers")  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout)["checks"][-1]
    assert last["name"] == "same ids in transformers"
    assert "0 of" in last["detail"]
    assert not last["passed"]
    assert "could not be asked" in last["detail"]


def test_a_broken_promise_stops_the_command_and_nothing_is_written(material, tmp_path):
    flags = ("--size", 20, "--method", "frequency", "--out", tmp_path / "out", "--no-transformers")
    done = run(material, "extend", *flags)
    assert done.returncode == 1
    assert "pieces are the base's encoding" in done.stderr
    assert not (tmp_path / "out").exists()
    names = ("pieces are the base's encoding", "no text is longer", "decodes as the base does",
             "text without new tokens is unchanged")  # fmt: skip
    allowed = run(material, "extend", *flags, *(word for name in names for word in ("--allow", name)))
    assert allowed.returncode == 0, allowed.stderr
    assert "failed" in allowed.stdout


def test_a_place_that_holds_something_is_left_alone(material, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = run(material, "extend", "--size", 5, "--out", tmp_path)
    assert done.returncode == 1
    assert "holds something already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [(("--method", "wurds"), "did you mean 'words'"), (("--filter", "longer-than"), "a number above 0"),
     (("--method", "words"), "without a word"), (("--scorer", "domain-share"), "without a reference"),
     (("--size", "0"), "above 0"), (("--guard-share", "0.9"), "without guard text")],
)  # fmt: skip
def test_what_cannot_be_is_said(material, capsys, flags, said):
    with pytest.raises(SystemExit) as ended:
        main(["tokens", "--model", str(material), "--corpus", str(material / "code.jsonl"), *flags])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
