"""A model folder gets tokens and gives them back: sizes, ids, rows, settings, bytes."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.errors import ConfigError, RunFolderError
from tokengraft.special.api import Added

from .conftest import SHAPES, TOKENS, files_of


@pytest.fixture(scope="module", params=sorted(SHAPES))
def added(request, make_folder, tmp_path_factory):
    """Base folder, new folder, what was reported."""
    base = make_folder(request.param)
    out = tmp_path_factory.mktemp("out") / "model"
    return base, out, tg.add_special_tokens(base, None, TOKENS, out=out, pad_to_multiple_of=64)


def test_old_rows_keep_their_bits_and_sizes_agree(added):
    base, out, report = added
    old, new = load_file(base / "model.safetensors"), load_file(out / "model.safetensors")
    assert set(old) == set(new)
    grown = [name for name in old if old[name].shape != new[name].shape]
    assert grown or report.rows_before == report.rows_after
    for name, tensor in old.items():
        whole = new[name]
        if len(whole) == report.rows_after and len(tensor) == report.rows_before:
            assert torch.equal(whole[:316], tensor[:316])
            assert torch.equal(whole[319 : len(tensor)], tensor[319:])
        else:
            assert torch.equal(whole, tensor)
    assert report.rows_after == max(320, report.rows_before)
    assert json.loads((out / "config.json").read_text())["vocab_size"] == report.rows_after


def test_transformers_reads_ids_and_roles_as_reported(added):
    _, out, report = added
    tokenizer, model = AutoTokenizer.from_pretrained(out), AutoModelForCausalLM.from_pretrained(out)
    assert report.ids == {"<|user|>": 316, "<|assistant|>": 317, "<|pad|>": 318}
    assert tokenizer.convert_tokens_to_ids(list(TOKENS)) == [316, 317, 318]
    ids = tokenizer("the<|user|>cat<|pad|>", add_special_tokens=False).input_ids
    assert [number for number in ids if number >= 316] == [316, 318]
    assert tokenizer.pad_token_id == model.config.pad_token_id == model.generation_config.pad_token_id == 318
    assert tokenizer.eos_token_id == model.config.eos_token_id == model.generation_config.eos_token_id == 0
    assert model.generation_config.suppress_tokens == list(report.suppressed) == [318, *range(319, report.rows_after)]


def test_new_tokens_take_little_and_pad_next_to_nothing(added):
    base, _, report = added
    # Hidden states of an untrained model lie on all sides, and a soft cap bounds every logit: there a row without a
    # bias cannot be silent everywhere. A layer norm's constant, or a bias, makes it so.
    certain = any(name in str(base) for name in ("gpt2", "neox", "gptj"))
    assert sum(report.shares[token] for token in ("<|user|>", "<|assistant|>")) < (2e-3 if certain else 1e-2)
    assert report.pad.mean <= (1e-9 if certain else 1 / 316)


def test_the_doctor_finds_no_error(added):
    base, out, _ = added
    assert [finding for finding in tg.doctor(out, base=base) if finding.severity == "error"] == []


def test_removing_gives_every_byte_back(added, tmp_path):
    base, out, report = added
    done = tg.remove_special_tokens(out, out=tmp_path / "back")
    assert files_of(tmp_path / "back") == files_of(base)
    assert done["ids"] == report.ids
    assert all(done["identical"].values())


def test_additions_stack_and_come_off_one_by_one(base, tmp_path):
    model = tmp_path / "model"
    tg.add_special_tokens(base, None, ["<|a|>"], out=model)
    once = files_of(model)
    report = tg.add_special_tokens(model, None, {"<|b|>": "cat"}, in_place=True)
    assert report.ids == {"<|b|>": 317}
    assert AutoTokenizer.from_pretrained(model).convert_tokens_to_ids(["<|a|>", "<|b|>"]) == [316, 317]
    tg.remove_special_tokens(model, in_place=True)
    assert files_of(model) == once
    tg.remove_special_tokens(model, in_place=True)
    assert files_of(model) == files_of(base)
    with pytest.raises(RunFolderError, match="without tokengraft_special"):
        tg.remove_special_tokens(model, in_place=True)


def test_a_model_that_was_trained_since_loses_the_rows_and_keeps_the_training(base, tmp_path):
    tg.add_special_tokens(base, None, TOKENS, out=tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        model.get_input_embeddings().weight += 1
    model.save_pretrained(tmp_path / "model")
    done = tg.remove_special_tokens(tmp_path / "model", out=tmp_path / "back")
    assert not done["identical"]["model.safetensors"]
    assert done["identical"]["tokenizer.json"]
    back, first = (AutoModelForCausalLM.from_pretrained(folder) for folder in (tmp_path / "back", base))
    assert torch.equal(back.get_input_embeddings().weight, first.get_input_embeddings().weight + 1)


def test_sharded_bfloat16_weights_stay_sharded_and_bfloat16(base, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "base", max_shard_size="40KB")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "base")
    report = tg.add_special_tokens(tmp_path / "base", None, TOKENS, out=tmp_path / "out")
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    sizes = [t.nbytes for f in set(index["weight_map"].values()) for t in load_file(tmp_path / "out" / f).values()]
    assert index["metadata"]["total_size"] == sum(sizes)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert again.dtype == torch.bfloat16
    assert len(again.get_input_embeddings().weight) == report.rows_after == 319
    tg.remove_special_tokens(tmp_path / "out", out=tmp_path / "back")
    assert files_of(tmp_path / "back") == files_of(tmp_path / "base")


def test_a_new_end_token_comes_first_and_the_old_one_still_ends(base, tmp_path):
    report = tg.add_special_tokens(base, None, {"<|stop|>": {"role": "eos"}}, out=tmp_path / "out", replace=["eos"])
    config, generation = (json.loads((tmp_path / "out" / f"{n}config.json").read_text()) for n in ("", "generation_"))
    assert config["eos_token_id"] == 316
    assert generation["eos_token_id"] == [316, 0]
    assert report.starts == {"<|stop|>": "like <|end|>, which had its role"}


@pytest.mark.parametrize("where", [{}, {"out": "x", "in_place": True}])
def test_a_place_must_be_named_once(base, where):
    with pytest.raises(ConfigError, match="one of the two"):
        tg.add_special_tokens(base, None, TOKENS, **where)


def test_a_folder_in_use_is_not_written_over(base, tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(RunFolderError, match="not empty"):
        tg.add_special_tokens(base, None, TOKENS, out=tmp_path)
    assert files_of(tmp_path) == {"note": b"mine"}


def test_a_report_is_plain_values(added):
    assert isinstance(added[2], Added)
    assert json.loads(json.dumps(added[2].to_dict()))["ids"] == added[2].ids
