"""Requests from files and flags, chat templates, and the way back from a changed file."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokengraft.errors import ConfigError, TokenizerError
from tokengraft.special.command import gathered
from tokengraft.special.plan import make_plan
from tokengraft.special.request import SpecialToken, requested
from tokengraft.special.textdelta import difference, recovered, restored, way_back

NOTHING = {"token": None, "describe": None, "tokens": None, "word": None, "roles": {}, "replace": None,
           "chat_template": None, "template_token": None}  # fmt: skip

USER = SpecialToken("<|user|>", like=("user", "human"))
PAD = SpecialToken("<|pad|>", "pad")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.yaml", '"<|user|>": [user, human]\n"<|pad|>":\n'),
        ("t.yaml", 'tokens:\n  "<|user|>": {like: [user, human]}\n  "<|pad|>": {role: pad}\n'),
        ("t.yml", '- {content: "<|user|>", like: [user, human]}\n- "<|pad|>"\n'),
        ("t.json", '{"<|user|>": ["user", "human"], "<|pad|>": null}'),
        ("t.toml", '[tokens]\n"<|user|>" = ["user", "human"]\n"<|pad|>" = {role = "pad"}\n'),
    ],
)
def test_files_of_tokens(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert requested(tmp_path / name) == (USER, PAD)
    assert gathered({**NOTHING, "tokens": tmp_path / name}) == ((USER, PAD), [])


def test_a_plain_list(tmp_path):
    (tmp_path / "t.txt").write_text("<|a|>\n\n[PAD]\n")
    assert requested(tmp_path / "t.txt") == (SpecialToken("<|a|>"), SpecialToken("[PAD]", "pad"))


@pytest.mark.parametrize(("name", "text"), [("t.yaml", "["), ("t.json", "3"), ("t.toml", "a=")])
def test_files_that_hold_no_tokens(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError):
        requested(tmp_path / name)


def test_flags(tmp_path):
    (tmp_path / "t.yaml").write_text("tokens: {<|a|>: }\nwords: [tokengraft]\n")
    flags = {
        **NOTHING, "tokens": tmp_path / "t.yaml", "token": ["<|user|>=user, human"], "word": ["other"],
        "describe": ["<|b|>=a tool"], "roles": {"pad": "<|pad|>", "eos": None},
    }  # fmt: skip
    tokens, words = gathered(flags)
    assert tokens == (SpecialToken("<|a|>"), USER, PAD, SpecialToken("<|b|>", description="a tool"))
    assert words == ["other", "tokengraft"]


def test_a_template_needs_its_tokens(base):
    with pytest.raises(TokenizerError, match=r"<\|im_start\|>, <\|im_end\|>"):
        make_plan(base, ["<|x|>"], chat_template="chatml")
    plan = make_plan(base, ["<|im_start|>"], chat_template="chatml", template_tokens={"<|im_end|>": "<|end|>"})
    assert "<|end|>" in plan.file.companions["chat_template.jinja"]
    assert "<|im_end|>" not in plan.file.companions["chat_template.jinja"]


def test_a_template_from_a_file(base, tmp_path):
    (tmp_path / "own.jinja").write_text("{{ messages }}<|x|>")
    assert make_plan(base, ["<|x|>"], chat_template=str(tmp_path / "own.jinja")).size == 317
    with pytest.raises(ConfigError, match="chat template"):
        make_plan(base, ["<|x|>"], chat_template=str(tmp_path / "none.jinja"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(new=JSON, old=JSON)
@example(new=[0], old=[None, False])
def test_every_difference_leads_back(new, old):
    way = json.loads(json.dumps(difference(new, old)))
    assert json.dumps(restored(new, way)) == json.dumps(old)


@given(
    new=JSON,
    old=JSON,
    indent=st.sampled_from([None, 1, 2, 4]),
    escapes=st.booleans(),
    tail=st.sampled_from(["", "\n", " "]),
)
def test_every_file_is_recovered_byte_for_byte(new, old, indent, escapes, tail):
    before = (json.dumps(old, indent=indent, ensure_ascii=escapes) + tail).encode()
    after = json.dumps(new).encode()
    assert recovered(after, json.loads(json.dumps(way_back(after, before)))) == before
