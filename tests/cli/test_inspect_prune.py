"""`inspect` and `prune` in fresh processes, which load nothing heavy."""

import json
import subprocess
import sys

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

PROGRAM = """
import sys
from tokengraft.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*({"torch", "transformers"} & set(sys.modules)), file=sys.stderr)
"""


def call(*arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "", "torch and transformers are not loaded"
    return done


@pytest.fixture(scope="module")
def places(tmp_path_factory, english, code):
    """(tokenizer folder, domain corpus, general corpus)."""
    folder = tmp_path_factory.mktemp("places")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=360, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(english, trainer=trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, texts in (("code", code[:60]), ("english", english[:20])):
        lines = "\n".join(json.dumps({"text": text}) for text in texts)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder, folder / "code.jsonl", folder / "english.jsonl"


def test_inspect_answers_in_words_and_in_json(places):
    folder, code, english = places
    done = call("inspect", folder, "--corpus", code, "--corpus", english, "--words", "the", "hidden")
    assert done.returncode == 0, done.stderr
    for answer in (
        "byte-level BPE",
        "No: every text can be written in bytes",
        "How text splits",
        "ceiling",
        "one token",
    ):
        assert answer in done.stdout
    found = json.loads(call("inspect", folder, "--corpus", code, "--json").stdout)
    assert found["corpora"][0]["corpus"] == "code.jsonl"
    assert found["tokenizer"]["family"] == "byte-level BPE"


def test_prune_writes_a_tokenizer_and_what_was_given_up(places, tmp_path):
    folder, code, english = places
    out = tmp_path / "pruned"
    done = call("prune", folder, "--corpus", code, "--general", english, "--size", "20", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "must learn their rows anew" in done.stdout
    assert len((out / "pruned.jsonl").read_text().splitlines()) == 20
    before, after = (Tokenizer.from_file(str(place / "tokenizer.json")).get_vocab_size() for place in (folder, out))
    assert before == after
    again = call("prune", folder, "--corpus", code, "--out", out)
    assert again.returncode == 1
    assert "which is there already" in again.stderr


def test_prune_without_a_place_only_reports(places):
    folder, code, _ = places
    found = json.loads(call("prune", folder, "--corpus", code, "--size", "5", "--json").stdout)
    assert len(found["replaced"]) == 5
    assert all(check["passed"] for check in found["checks"])


@pytest.mark.parametrize("command", ["inspect", "prune"])
def test_bad_places_are_one_message(places, command):
    done = call(command, places[0] / "nowhere", "--corpus", places[1])
    assert done.returncode == 1
    assert "expected: " in done.stderr
