"""docs/special.md: its commands run as they stand there, its file of tokens is read."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tokengraft.special.command import gathered
from tokengraft.special.plan import make_plan

from .conftest import files_of
from .test_request import NOTHING

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "special.md").read_text()
TALK = [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "sat"}]


def command(begin):
    """The first command of the page that begins so, as arguments."""
    text = begin + PAGE.partition(begin)[2].partition("```")[0].partition("\n\n")[0]
    lines = text.replace("\\\n", " ").splitlines()
    return shlex.split(lines[0])[1:]


@pytest.fixture
def place(base, tmp_path):
    shutil.copytree(base, tmp_path / "model")
    (tmp_path / "chat.jsonl").write_text((json.dumps({"messages": TALK}) + "\n") * 3)
    return tmp_path


@pytest.fixture
def run(here, place, monkeypatch):
    def run(arguments):
        done = here(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    monkeypatch.chdir(place)
    return run


def test_the_first_command_and_the_way_back(run, place):
    before = files_of(place / "model")
    printed = run(command("tokengraft special model"))
    for part in ("<|user|>", "old rows, old logits  identical", "never generated", "3 documents"):
        assert part in printed
    assert "byte for byte as before" in run(command("tokengraft special chatty --remove"))
    assert files_of(place / "back") == before


def test_the_file_of_tokens(base, tmp_path):
    text = PAGE.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "tokens.yaml").write_text(text)
    tokens, words = gathered({**NOTHING, "tokens": tmp_path / "tokens.yaml"})
    assert [(token.content, token.role) for token in tokens] == [
        ("<|user|>", "additional"), ("<|tool|>", "additional"), ("<|stop|>", "eos"), ("<|pad|>", "pad"),
    ]  # fmt: skip
    plan = make_plan(base, tokens, words, replace=["eos"])
    assert {*plan.role_ids} == {"eos", "pad"}
    assert {"einsum", " einsum"} <= set(plan.words.whole)
