"""Roles given away: every file names the new holder, and what stands around a text is the new holder too."""

import json
import shutil

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.special.around import with_roles_around

ROLES = {"<begin>": {"role": "bos"}, "<stop>": {"role": "eos"}, "<unk>": None, "<pad>": None, "<tool>": None}
AROUND = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "<|end|>", "type_id": 0}},
    ],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
    "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [0], "tokens": ["<|end|>"]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def around(base, tmp_path_factory):
    """A model whose tokenizer puts its one control token before and behind every text."""
    folder = tmp_path_factory.mktemp("around") / "model"
    shutil.copytree(base, folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**document, "post_processor": AROUND}))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "tokenizer_class": "PreTrainedTokenizerFast"}))
    return folder


@pytest.mark.parametrize("replaced", [("bos",), ("eos",), ("bos", "eos")])
def test_a_folder(around, tmp_path, replaced):
    tokens = {token: value for token, value in ROLES.items() if value is None or value["role"] in replaced}
    report = tg.add_special_tokens(around, None, tokens, out=tmp_path / "out", replace=replaced)
    tokenizer, model = (
        AutoTokenizer.from_pretrained(tmp_path / "out"),
        AutoModelForCausalLM.from_pretrained(tmp_path / "out"),
    )
    assert set(report.roles) == {*replaced, "unk", "pad"}
    for role, number in report.roles.items():
        assert getattr(tokenizer, f"{role}_token_id") == number
        if role != "unk":
            assert getattr(model.config, f"{role}_token_id") == number
            found = getattr(model.generation_config, f"{role}_token_id")
            assert (found[0] if isinstance(found, list) else found) == number
    ids = tokenizer("cat").input_ids
    assert (ids[0], ids[-1]) == (report.roles.get("bos", 0), report.roles.get("eos", 0))
    assert not tg.doctor(tmp_path / "out", only=["special-ids-disagree"])
    tg.remove_special_tokens(tmp_path / "out", in_place=True)
    assert json.loads((tmp_path / "out" / "tokenizer.json").read_text())["post_processor"] == AROUND


def test_a_loaded_tokenizer(around):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(around), AutoTokenizer.from_pretrained(around)
    before = tokenizer("cat").input_ids
    report = tg.add_special_tokens(model, tokenizer, ROLES, replace=["bos", "eos"])
    ids = tokenizer("cat").input_ids
    assert (ids[0], ids[-1]) == (report.roles["bos"], report.roles["eos"])
    assert ids[1:-1] == before[1:-1]
    report.undo()
    assert tokenizer("cat").input_ids == before


def test_processors_of_other_kinds():
    roberta = {"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2], "trim_offsets": True}
    level = {"type": "ByteLevel", "trim_offsets": False}
    old, new = {"bos": "<s>", "eos": "<|end|>"}, {"bos": ("<begin>", 9), "eos": ("<stop>", 10)}
    changed = with_roles_around({"type": "Sequence", "processors": [roberta, level]}, old, new)
    assert changed["processors"] == [{**roberta, "cls": ["<begin>", 9]}, level]
    assert with_roles_around(None, old, new) is None


def test_a_token_without_a_role_changes_nothing_around(around, tmp_path):
    tg.add_special_tokens(around, None, ["<tool>"], out=tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("cat").input_ids[0] == 0
