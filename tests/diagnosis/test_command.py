"""`tokengraft doctor` in fresh processes and in this one: output, JSON, exit codes, repairs, refusals."""

import json
import os
import subprocess
import sys

import pytest

from tokengraft.cli import main

from .conftest import edit


def run(capsys, *arguments):
    """Exit code, standard output and standard error of the command in this process."""
    code = 0
    capsys.readouterr()
    try:
        main(["doctor", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


def fresh(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tokengraft", "doctor", *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip


def test_in_a_fresh_process(here, folder, tmp_path):
    """A fault is found, repaired on a copy, and gone there; the repair by a process of its own."""
    assert here("doctor", folder).returncode == 0
    edit(folder / "config.json", vocab_size=7)
    done = here("doctor", folder, "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [finding["code"] for finding in found["findings"]] == ["vocab-size-mismatch"]
    mended = fresh(folder, "--fix", "--out", tmp_path / "copy")
    assert mended.returncode == 1  # what was examined still has the fault
    assert "fixed vocab-size-mismatch: config.json: vocab_size = 300" in mended.stdout
    assert here("doctor", tmp_path / "copy").returncode == 0


def test_what_is_printed(capsys, folder):
    code, output, _ = run(capsys, folder)
    assert code == 0
    assert "checks ran" in output
    assert "0 errors, 0 warnings, 0 info" in output
    assert "skipped, no adapter given (--adapter): adapter-size-mismatch" in " ".join(output.split())
    edit(folder / "config.json", vocab_size=7)
    code, output, _ = run(capsys, folder, "--check", "vocab-size-mismatch")
    assert code == 1
    assert output.startswith("error vocab-size-mismatch\n  found config.vocab_size is 7")
    assert all(f"\n  {word} " in output for word in ("why", "fix"))


def test_a_copy_without_a_repair_is_said(capsys, folder, tmp_path):
    code, output, _ = run(capsys, folder, "--fix", "--out", tmp_path / "copy")
    assert (code, (tmp_path / "copy" / "config.json").is_file()) == (0, True)
    assert "fixed nothing" in output
    assert "copy   " in output


def test_json_holds_everything(capsys, folder):
    edit(folder / "generation_config.json", eos_token_id=9999)
    code, output, _ = run(capsys, folder, "--json")
    value = json.loads(output)
    assert code == 1
    assert value.keys() == {"findings", "checked", "skipped", "fixed", "out"}
    first = value["findings"][0]
    assert first.keys() == {"code", "severity", "found", "evidence", "explanation", "fix", "fixable"}
    assert (first["severity"], first["evidence"]["stop_ids"]) == ("error", [9999])


def test_warnings_alone_are_no_failure(capsys, folder):
    edit(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend")
    code, output, _ = run(capsys, folder)
    assert code == 0
    assert "1 warning," in output


def test_text_with_brackets_is_printed_as_it_is(capsys, folder):
    edit(folder / "tokenizer_config.json", additional_special_tokens=["[bold]x[/bold]"])
    assert "[bold]x[/bold]" in "".join(run(capsys, folder, "--check", "special-token-splits")[1].split())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere/at/all"], "no folder"), (["{}", "--data", "nowhere.jsonl"], "no file nowhere.jsonl"),
        (["{}", "--adapter", "nowhere"], "no folder nowhere"), (["{}", "--train-config", "no.yaml"], "No such file"),
        (["{}", "--tokenizer", "no/where/at/all"], "nothing at"), (["{}", "--base", "no/where/at/all"], "no folder"),
        (["{}", "--fix"], "--out"), (["{}", "--out", "x"], "--fix"), (["{}", "--check", "rows"], "check 'rows'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_message(capsys, folder, arguments, word):
    code, output, message = run(capsys, *(str(folder) if argument == "{}" else argument for argument in arguments))
    assert (code, output) == (1, "")
    assert word in message
    assert [message.count(f"{part}: ") for part in ("found", "expected", "do")] == [1, 1, 1]


def test_misuse_is_two(capsys):
    assert run(capsys)[0] == 2


def test_a_folder_that_is_no_model(capsys, tmp_path):
    assert "config.json" in run(capsys, tmp_path)[2]
    (tmp_path / "config.json").write_text("{}")
    assert "safetensors" in run(capsys, tmp_path)[2]


def test_a_broken_tokenizer_is_said_and_not_passed_over(capsys, folder):
    (folder / "tokenizer.json").write_text("{")
    code, _, message = run(capsys, folder)
    assert code == 1
    assert "tokenizer.json" in message


def test_a_model_without_a_tokenizer_is_examined(capsys, folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    code, output, _ = run(capsys, folder)
    assert code == 0
    assert "skipped, no tokenizer given" in " ".join(output.split())
