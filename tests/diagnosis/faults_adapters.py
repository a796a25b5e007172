"""Faults of adapters."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from .faults_tables import load, with_user
from .setups import Bench, Given, fault

BOTH = {"embed_tokens": [300, 301], "lm_head": [300, 301]}
"""Rows of the new tokens in untied tables."""


def adapter(bench, model, tokenizer=None, name="adapter", **plan):
    """A saved adapter, with the tokenizer beside it."""
    path = bench.place / name
    get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, **plan)).save_pretrained(path)
    if tokenizer is not None:
        tokenizer.save_pretrained(path)
    return path


def trained_with(**plan):
    """The same training with its rows, on the base grown for them."""

    def mend(bench: Bench, _given: Given) -> Given:
        model, tokenizer = with_user(bench)
        grown = bench.save("grown", model, tokenizer)
        path = adapter(bench, model, tokenizer, "with-rows", target_modules=["q_proj"], **plan)
        return {"model": grown, "tokenizer": path, "adapter": path}

    return mend


def merged(bench: Bench, _given: Given) -> Given:
    model, tokenizer = with_user(bench)
    peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"]))
    return {"model": bench.save("merged", peft.merge_and_unload(), tokenizer)}


@fault(
    "adapter saved without its rows",
    "adapter-without-rows",
    {"trainable_token_indices": trained_with(trainable_token_indices=BOTH),
     "both tables in modules_to_save": trained_with(modules_to_save=["embed_tokens", "lm_head"]),
     "ship the merged model": merged},
)  # fmt: skip
def without_rows(bench):
    base = bench.sound()
    model, tokenizer = with_user(bench)
    path = adapter(bench, model, tokenizer, target_modules=["q_proj"])
    # peft stores the resized tables unasked; whoever saves with save_embedding_layers=False does not have them
    get_peft_model(
        with_user(bench)[0], LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"])
    ).save_pretrained(path, save_embedding_layers=False)
    return {"model": base, "tokenizer": path, "adapter": path}


def merges(model, ids=None):
    """Largest change of a logit by merging an adapter whose every weight was moved."""
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.3) if "lora_" in name else weight.data.add_(0.1)
    ids = torch.arange(20)[None]
    before = model.eval()(input_ids=ids).logits.detach()
    after = model.merge_and_unload()(input_ids=ids).logits.detach()
    return float((before - after).abs().max())


def tied_adapter(bench, **plan):
    """A LoRA on a tied model, and how much merging it changes a logit."""
    from transformers import AutoModelForCausalLM

    base = bench.bare("qwen2-tied")
    path = adapter(bench, AutoModelForCausalLM.from_pretrained(base), name="tied-adapter", **plan)
    plan = LoraConfig(task_type="CAUSAL_LM", r=2, **plan)
    return {"model": base, "adapter": path}, merges(get_peft_model(AutoModelForCausalLM.from_pretrained(base), plan))


def merging(**plan):
    """Another plan for the same training, which does merge."""

    def mend(bench: Bench, _given: Given) -> Given:
        made, difference = tied_adapter(bench, **plan)
        assert difference == pytest.approx(0, abs=1e-3), difference
        return made

    return mend


@fault(
    "LoRA on tied tables that will not merge",
    "lora-on-tied-tables",
    {"trainable_token_indices": merging(target_modules=["q_proj"], trainable_token_indices=[5, 6]),
     "modules_to_save=['embed_tokens'] with ensure_weight_tying=True": merging(
         target_modules=["q_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True),
     "leave the tables out": merging(target_modules=["q_proj"])},
)  # fmt: skip
def lora_on_tied(bench):
    made, difference = tied_adapter(bench, target_modules=["q_proj", "embed_tokens"])
    assert difference > 1
    return made


@fault(
    "LoRA on tied tables that peft ties, and merges twice",
    "lora-on-tied-tables",
    {"leave the tables out": merging(target_modules=["q_proj"])},
)
def lora_tied_by_peft(bench):
    made, difference = tied_adapter(bench, target_modules=["q_proj", "embed_tokens"], ensure_weight_tying=True)
    assert difference > 1
    return made


def resized_first(bench: Bench, given: Given) -> Given:
    model, tokenizer = load(given["model"])[0], load(given["model"])[1]
    model.resize_token_embeddings(302, mean_resizing=False)
    PeftModel.from_pretrained(model, given["adapter"])
    grown, _ = load(given["model"])
    grown.resize_token_embeddings(302, mean_resizing=False)
    return {**given, "model": bench.save("resized", grown, tokenizer)}


@fault(
    "adapter for another number of rows",
    "adapter-size-mismatch",
    {"model.resize_token_embeddings(302, mean_resizing=False), then load": resized_first},
)
def other_size(bench):
    base = bench.sound()
    model, tokenizer = with_user(bench)
    path = adapter(bench, model, tokenizer, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    return {"model": base, "tokenizer": path, "adapter": path}
