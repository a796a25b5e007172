"""`tokengraft.load`, and adapters that hold what LoRA learned beside new rows."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import tokengraft as tg
from tokengraft.errors import ExportError
from tokengraft.exporting.tensors import tensor, weights

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def same_weights(model, folder):
    """Names of the folder's weights that the model has otherwise, after rounding to their dtype."""
    files, own = weights(folder), dict(model.named_parameters(remove_duplicate=False))
    return [name for name in files if not torch.equal(own[name].to(tensor(files, name).dtype), tensor(files, name))]


def move_a_norm(folder):
    """Name of the weight that is another now."""
    values = load_file(folder / "model.safetensors")
    name = next(key for key in values if "norm" in key or "ln" in key)
    values[name] = values[name] + 1
    save_file(values, folder / "model.safetensors", metadata={"format": "pt"})
    return name


def test_an_adapter_holds_lora_and_merges_exactly(lora_run, tmp_path):
    """By plain peft in a fresh process (`export` tries that), and by `load` here: every weight is the run's."""
    out = tg.export(lora_run[0], tmp_path / "adapter", "adapter")
    stored = load_file(out / "adapter_model.safetensors")
    rows = json.loads((lora_run[0] / "metrics.json").read_text())["tokens"]["added"]
    assert {len(value) for name, value in stored.items() if "trainable_tokens" in name} == {rows}
    assert any("lora_A" in name for name in stored)
    assert not any(len(value) >= 400 for value in stored.values()), "no whole table"
    model, tokenizer = tg.load(out, dtype="float32", merge=True)
    assert same_weights(model, lora_run[0] / "model") == []
    assert len(tokenizer) == len(tg.load(lora_run[1])[1]) + rows
    card = (out / "README.md").read_text()
    assert "gave the same ids on 1000 texts" in card
    assert ("folded it in and rounded the weights to bfloat16" in card) == ("llama" in str(lora_run[1]))


def test_what_was_moved_beside_the_adapter_is_said(lora_run, tmp_path):
    changed = shutil.copytree(lora_run[0], tmp_path / "run")
    name = move_a_norm(changed / "model")
    with pytest.raises(ExportError, match=f"1 changed weights .* what LoRA learned, {name} first"):
        tg.export(changed, tmp_path / "adapter", "adapter")
    shutil.rmtree(changed / "adapters")
    with pytest.raises(ExportError, match=r"found: no .*adapters/lora"):
        tg.export(changed, tmp_path / "adapter", "adapter")
    assert not (tmp_path / "adapter").exists()


def test_load_takes_every_form(run, exported):
    whole, tokenizer = tg.load(run[0], dtype="float32")
    ids = torch.tensor([tokenizer("The grey cat sat on the mat.", add_special_tokens=False)["input_ids"]])
    expected = whole(ids).logits
    patch, adapter = exported("patch"), exported("adapter")
    for source, base in (
        (patch, None),
        (patch / "tokengraft.patch", str(run[1])),
        (adapter, None),
        (adapter, str(run[1])),
    ):
        model, same = tg.load(source, base, dtype="float32")
        assert torch.equal(model(ids).logits, expected)
        assert same.get_vocab() == tokenizer.get_vocab()
    assert type(tg.load(adapter, merge=True)[0]) is type(whole)


def test_load_refuses_another_base(run, exported, tmp_path):
    out = shutil.copytree(exported("adapter"), tmp_path / "adapter")
    other = shutil.copytree(run[1], tmp_path / "other")
    move_a_norm(other)
    with pytest.raises(ExportError, match="not those that the adapter was made for"):
        tg.load(out, str(other))
    (out / "tokengraft_rows.json").unlink()
    with pytest.raises(ExportError, match=r"without tokengraft_rows\.json"):
        tg.load(out)
