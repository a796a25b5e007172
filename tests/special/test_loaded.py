"""Loaded models: changed in place, undone, trained, and asked to write."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg

from .conftest import SHAPES, TOKENS


@pytest.fixture(params=sorted(SHAPES))
def pair(request, make_folder):
    folder = make_folder(request.param)
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def batch_of(tokenizer, texts, side):
    tokenizer.padding_side = side
    batch = dict(tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False))
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    return batch


def test_a_padded_step_leaves_pad_alone_and_loses_nothing(pair):
    model, tokenizer = pair
    report = tg.add_special_tokens(model, tokenizer, TOKENS)
    texts = ["<|user|>the cat sat on the mat", "<|user|>the<|assistant|>dog"]
    for side in ("left", "right"):
        model.zero_grad()
        loss = model(**batch_of(tokenizer, texts, side)).loss
        loss.backward()
        assert torch.isfinite(loss)
    inputs, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    pad, user = report.ids["<|pad|>"], report.ids["<|user|>"]
    assert inputs.grad[user].abs().max() > 1e-6
    if model.config.model_type in {"gpt2", "gpt_neox", "gptj"}:  # where nothing is left to chance, see test_folder
        assert head.grad[pad].abs().max() < 1e-9
    if head is not inputs:
        assert not inputs.grad[pad].any()


def test_a_left_padded_batch_writes_what_single_prompts_do(pair):
    model, tokenizer = pair
    report = tg.add_special_tokens(model, tokenizer, TOKENS)
    prompts = ["the cat sat on the mat with", "the dog", "<|user|>rain"]
    tokenizer.padding_side = "left"

    def write(texts):
        asked = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
        with torch.no_grad():
            ids = model.eval().generate(**asked, do_sample=False, max_new_tokens=8)
        return ids[:, asked["input_ids"].shape[1] :]

    together = write(prompts)
    for row, prompt in zip(together, prompts, strict=True):
        alone = write([prompt])[0]
        assert row[: len(alone)].tolist() == alone.tolist()
        assert set(row[len(alone) :].tolist()) <= {report.ids["<|pad|>"]}


def test_undoing_gives_model_and_tokenizer_back(pair):
    model, tokenizer = pair
    before, config = {name: weight.clone() for name, weight in model.state_dict().items()}, model.config.to_dict()
    size = len(tokenizer)
    report = tg.add_special_tokens(model, tokenizer, TOKENS, pad_to_multiple_of=64)
    assert tokenizer.pad_token_id == model.config.pad_token_id == report.ids["<|pad|>"]
    assert len(model.get_input_embeddings().weight) == report.rows_after
    report.undo()
    after = model.state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    assert model.config.to_dict() == config
    assert len(tokenizer) == size
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert tied == bool(model.config.tie_word_embeddings)


def test_similar_tokens_and_descriptions_decide_where_rows_start(loaded):
    model, tokenizer = loaded
    request = {"<|a|>": ["Ġcat"], "<|b|>": {"description": "the cat sat"}, "<|c|>": None, "<|d|>": None}
    report = tg.add_special_tokens(model, tokenizer, request)
    table = model.get_input_embeddings().weight.detach()
    cat = tokenizer.convert_tokens_to_ids("Ġcat")
    assert torch.allclose(table[316], table[cat], atol=1e-6)
    assert report.starts["<|b|>"] == "described as 'the cat sat'"
    norms = table.norm(dim=1)
    assert 0.3 < norms[317:].mean() / norms[:316].median() < 3
    assert torch.cosine_similarity(table[318], table[319], dim=0) < 0.99


def test_the_same_seed_gives_the_same_rows(base):
    made = []
    for seed in (0, 0, 1):
        model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
        tg.add_special_tokens(model, tokenizer, TOKENS, seed=seed)
        made.append(model.get_input_embeddings().weight.detach()[317])
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_peft_model_keeps_its_adapter(loaded):
    from peft import LoraConfig, get_peft_model

    model, tokenizer = loaded
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"], r=2))
    report = tg.add_special_tokens(adapted, tokenizer, TOKENS)
    ids = tokenizer("the<|user|>cat", return_tensors="pt").input_ids
    assert adapted(input_ids=ids).logits.shape[-1] == report.rows_after == 319
    assert [name for name, weight in adapted.named_parameters() if weight.requires_grad and "lora" not in name] == []
    report.undo()
    assert len(model.get_input_embeddings().weight) == 316


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapters_folder_gets_its_new_base_inside(base, loaded, tmp_path):
    from peft import LoraConfig, PeftModel, get_peft_model

    adapted = get_peft_model(loaded[0], LoraConfig(target_modules=["q_proj"], r=2, init_lora_weights=False))
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(tmp_path / "adapter")
    report = tg.add_special_tokens(tmp_path / "adapter", None, TOKENS, out=tmp_path / "out")
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "base"), tmp_path / "out")
    ids = torch.arange(64)[None]
    assert torch.equal(again(input_ids=ids).logits[..., :316], adapted.eval()(input_ids=ids).logits)
    assert again(input_ids=ids).logits.shape[-1] == report.rows_after
    assert AutoTokenizer.from_pretrained(tmp_path / "out").pad_token_id == report.ids["<|pad|>"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"base_model_name_or_path": "nowhere/at-all"}, "which is not here"),
        ({"base_model_name_or_path": None}, "no model that it names"),
        ({"base_model_name_or_path": "x", "modules_to_save": ["lm_head"]}, "holds rows of the tables"),
    ],
)
def test_adapters_that_cannot_be_used(tmp_path, settings, words):
    import json

    from tokengraft.errors import ModelError

    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=words):
        tg.add_special_tokens(tmp_path / "adapter", None, TOKENS, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
