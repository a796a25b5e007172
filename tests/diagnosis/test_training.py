"""Faults of trainings and adapters: the fault itself is shown with torch and peft, and found before it happens."""

import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

import tokengraft as tg
from tokengraft.diagnosis import Severity
from tokengraft.diagnosis.training import read_training
from tokengraft.errors import ConfigError, ModelError

from .conftest import align, codes, found, make_model

ERROR, WARNING, INFO = Severity
pytestmark = pytest.mark.filterwarnings("ignore")  # peft's own warnings are about what is tested here


def test_adam_in_half_precision(model, tokenizer):
    """Every row without gradient is NaN after one step; in float32, fused or with a larger ε none is."""
    model.half()
    [finding] = found("fp16-adam-eps", model, training={"optim": "adamw_torch"})
    assert finding.severity is ERROR
    for mended in ({"dtype": "float32"}, {"adam_epsilon": 1e-4}, {"optim": "sgd"}, {"target_modules": ["q_proj"]},
                   {"target_modules": ["q_proj"], "trainable_token_indices": [5]}):  # fmt: skip
        assert not found("fp16-adam-eps", model, training={"optim": "adamw_torch"} | mended)
    assert not found("fp16-adam-eps", model, training={})  # the Trainer's own choice is fused
    weight = model.get_input_embeddings().weight.requires_grad_()
    optimizer = torch.optim.AdamW([weight], lr=1e-3, eps=1e-8)
    weight.grad = torch.zeros_like(weight)
    weight.grad[:5] = 0.1
    optimizer.step()
    [finding] = found("rows-not-finite", model, tokenizer)
    assert finding.evidence["count"] == len(weight) - 5


def test_a_scaler_on_half_precision(model):
    assert not found("fp16-scaler-on-fp16", model, training={"fp16": True})
    assert codes(found("fp16-scaler-on-fp16", model.half(), training={"fp16": True}), ERROR)
    assert not found("fp16-scaler-on-fp16", model, training={"fp16": True, "dtype": "float32"})


def test_updates_that_vanish(model):
    model.bfloat16()
    [finding] = found("bf16-updates-vanish", model, training={"learning_rate": 1e-6})
    assert finding.severity is WARNING
    assert finding.evidence["lost"] > 0.9
    assert not found("bf16-updates-vanish", model, training={"learning_rate": 1e-2})
    assert not found("bf16-updates-vanish", model, training={"learning_rate": 1e-6, "dtype": "float32"})
    assert not found("bf16-updates-vanish", model.float(), training={"learning_rate": 1e-6, "bf16": True})


def test_a_lora_that_leaves_new_tokens_out(model, tokenizer, folder):
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    model.resize_token_embeddings(len(tokenizer))
    new = [len(tokenizer) - 2, len(tokenizer) - 1]
    plan = {"target_modules": ["q_proj", "v_proj"]}
    for known in ({"base": folder}, {}):  # without a base, by what a resize leaves behind
        [finding] = found("new-rows-not-trained", model, tokenizer, training=plan, **known)
        assert (finding.severity, finding.evidence["ids"]) == (ERROR, new)
    both = {"trainable_token_indices": {"embed_tokens": new, "lm_head": new}}
    for mended in (both, {"modules_to_save": ["embed_tokens", "lm_head"]}):
        assert not found("new-rows-not-trained", model, tokenizer, training=plan | mended, base=folder)
    assert not found("new-rows-not-trained", model, tokenizer, training={}, base=folder)
    half = plan | {"trainable_token_indices": {"embed_tokens": new[:1], "lm_head": new[:1]}}
    [finding] = found("new-rows-not-trained", model, tokenizer, training=half, base=folder)
    assert finding.evidence["ids"] == new[1:]
    listed = plan | {
        "trainable_token_indices": new
    }  # peft takes a list for the input table alone where nothing is tied
    [finding] = found("new-rows-not-trained", model, tokenizer, training=listed, base=folder)
    assert (finding.severity, "'lm_head'" in finding.fix) == (WARNING, True)


def adapter(path, model, **settings):
    """A saved adapter on `model`."""
    get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, **settings)).save_pretrained(path)
    return path


def test_an_adapter_without_its_rows(folder, tokenizer, tmp_path, model):
    path = adapter(tmp_path / "adapter", model, target_modules=["q_proj"])
    assert not found("adapter-without-rows", folder, adapter=path)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    tokenizer.save_pretrained(path)
    [finding] = found("adapter-without-rows", folder, path, adapter=path)
    assert (finding.severity, finding.evidence["ids"]) == (ERROR, [len(tokenizer) - 1])


@pytest.mark.parametrize(
    "settings",
    [{"modules_to_save": ["embed_tokens", "lm_head"]}, {"trainable_token_indices": {"embed_tokens": [300]}}],
)
def test_an_adapter_with_its_rows(folder, tokenizer, tmp_path, model, settings):
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path / "grown")
    path = adapter(tmp_path / "adapter", model, target_modules=["q_proj"], **settings)
    tokenizer.save_pretrained(path)
    for code in ("adapter-without-rows", "adapter-size-mismatch"):
        assert not found(code, tmp_path / "grown", path, adapter=path, base=folder)


def test_an_adapter_for_another_number_of_rows(folder, tokenizer, tmp_path, model):
    model.resize_token_embeddings(len(tokenizer) + 1)
    path = adapter(tmp_path / "adapter", model, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    [finding] = found("adapter-size-mismatch", folder, adapter=path)
    assert (finding.severity, finding.evidence["base_rows"]) == (ERROR, 300)
    from transformers import AutoModelForCausalLM

    with pytest.raises(RuntimeError, match="size mismatch"):
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), path)


def test_lora_on_tied_tables(tied, tmp_path):
    tied.save_pretrained(tmp_path / "tied")
    path = adapter(tmp_path / "adapter", tied, target_modules=["q_proj", "embed_tokens"])
    [finding] = found("lora-on-tied-tables", tmp_path / "tied", adapter=path)
    assert finding.severity is ERROR
    assert codes(found("lora-on-tied-tables", tied, training={"target_modules": ["lm_head"]}), ERROR)


def test_lora_beside_tied_tables_or_on_untied_ones(tied, model, tmp_path):
    tied.save_pretrained(tmp_path / "tied")
    path = adapter(tmp_path / "layers", tied, target_modules=["q_proj"])
    assert not found("lora-on-tied-tables", tmp_path / "tied", adapter=path)
    rows = adapter(tmp_path / "rows", make_model("qwen2-tied"), target_modules=["q_proj"], trainable_token_indices=[3])
    assert not found("lora-on-tied-tables", tmp_path / "tied", adapter=rows)
    assert not found("lora-on-tied-tables", model, training={"target_modules": ["lm_head", "embed_tokens"]})
    copied = {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}
    assert [finding.severity for finding in found("lora-on-tied-tables", tied, training=copied)] == [WARNING]
    assert not found("lora-on-tied-tables", tied, training=copied | {"ensure_weight_tying": True})


def test_a_loaded_adapter_is_seen(tied, tokenizer):
    peft = get_peft_model(tied, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["embed_tokens"]))
    assert "lora-on-tied-tables" in codes(tg.doctor(peft, tokenizer))


def test_an_adapter_alone_is_no_model(tmp_path, model):
    path = adapter(tmp_path / "adapter", model, target_modules=["q_proj"])
    with pytest.raises(ModelError, match="an adapter without its base"):
        tg.doctor(path)


@pytest.mark.parametrize("broken", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_broken_adapter_is_refused(folder, tmp_path, model, broken):
    path = adapter(tmp_path / "adapter", model, target_modules=["q_proj"])
    (path / broken).unlink()
    with pytest.raises(ModelError, match=broken):
        tg.doctor(folder, adapter=path)


def test_settings_as_transformers_and_peft_write_them(tmp_path):
    """Members of both classes that no check asks for may stand there; numbers that YAML reads as text are numbers."""
    values = {
        "lr": "1e-4", "eps": 1e-6, "torch_dtype": "bf16", "logging_steps": 5, "lora_alpha": 3,
        "trainable_token_indices": {"embed_tokens": [7]}, "target_modules": "all-linear",
    }  # fmt: skip
    settings = read_training(values)
    assert (settings.learning_rate, settings.adam_epsilon, settings.dtype) == (1e-4, 1e-6, "bfloat16")
    assert (settings.trainable_token_indices, settings.target_modules) == ((7,), ("all-linear",))
    (tmp_path / "train.json").write_text(json.dumps({"optim": "adamw_torch_fused", "torch_dtype": "auto"}))
    assert read_training(tmp_path / "train.json").dtype is None


@pytest.mark.parametrize(
    ("values", "word"),
    [({"learning_rat": 1}, "did you mean 'learning_rate'"), ({"fp16": "yes"}, "fp16"), ({"dtype": "int8"}, "dtype"),
     ({"learning_rate": "fast"}, "learning_rate")],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(values, word):
    with pytest.raises(ConfigError, match=word):
        read_training(values)


@pytest.mark.parametrize("text", ["- 1\n", "a: [\n"])
def test_files_of_settings_that_cannot_be_are_refused(tmp_path, text):
    (tmp_path / "train.yaml").write_text(text)
    with pytest.raises(ConfigError):
        read_training(tmp_path / "train.yaml")
    with pytest.raises(ConfigError, match="No such file"):
        read_training(tmp_path / "absent.yaml")


def test_a_training_of_everything_has_no_finding(folder):
    plan = {"optim": "adamw_torch", "learning_rate": 1e-4, "bf16": True, "collator": "DataCollatorForSeq2Seq"}
    assert not codes(tg.doctor(folder, training=plan), ERROR)


def test_a_padded_tied_model_with_an_adapter_has_no_error(tokenizer, tmp_path):
    model = align(make_model("qwen2-tied", rows=len(tokenizer)), tokenizer)
    peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj", "v_proj"]))
    assert not codes(tg.doctor(peft, tokenizer), ERROR)
    assert tmp_path.exists()
