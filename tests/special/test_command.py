"""The command as a user runs it, first in a fresh process."""

import json
import subprocess
import sys

import pytest

from .conftest import files_of


def fresh(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tokengraft", "special", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def run(here):
    def run(*arguments, code=0):
        done = here("special", *arguments)
        assert done.returncode == code, done.stderr
        return done

    return run


def test_add_check_and_take_back(run, base, tmp_path):
    model, data = tmp_path / "model", tmp_path / "data.jsonl"
    talk = [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "sat"}]
    data.write_text(json.dumps({"messages": talk}) + "\n")
    done = fresh(
        base, "--token", "<|user|>=cat,dog", "--token", "<|assistant|>", "--token", "<|tool|>", "--pad", "<|pad|>",
        "--chat-template", "roles", "--out", model, "--data", data,
    )  # fmt: skip
    assert "<|assistant|>" in done.stdout
    assert "identical" in done.stdout
    checked = run(model, "--data", data, "--json", code=1)
    uses = {use["token"]: use["verdict"] for use in json.loads(checked.stdout)["data"]["uses"]}
    assert uses == {"<|user|>": "rare", "<|assistant|>": "rare", "<|tool|>": "never", "<|pad|>": "fine"}
    run(model, "--remove", "--in-place")
    assert files_of(model) == files_of(base)


def test_refusals_are_one_message(run, base, tmp_path):
    for arguments in (
        [base],
        [base, "--remove", "--token", "<|a|>"],
        [base, "--token", "<|end|>", "--out", tmp_path / "o"],
    ):
        message = run(*arguments, code=1).stderr
        assert [message.count(f"{part}: ") for part in ("found", "expected", "do")] == [1, 1, 1]
    assert not (tmp_path / "o").exists()
