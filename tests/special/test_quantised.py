"""Models whose blocks are in 4 bits: their tables are plain, and grow as others do."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.errors import ModelError
from tokengraft.special.packing import is_packed

from .conftest import TOKENS, files_of

bitsandbytes = pytest.importorskip("bitsandbytes", reason="models in 4 bits need bitsandbytes")
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:bitsandbytes"),
]


@pytest.fixture(scope="module", params=["llama", "qwen2"])
def folder(request, make_folder, tmp_path_factory):
    """A folder in 4 bits; wide enough for the kernels on a CPU. Llama untied, Qwen2 tied and with padding rows."""
    from transformers import BitsAndBytesConfig

    tied = request.param == "qwen2"
    source = make_folder("qwen2-tied" if tied else "llama-untied")
    config = AutoConfig.for_model(
        request.param, vocab_size=384 if tied else 316, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=tied,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    plain, place = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("four")
    AutoModelForCausalLM.from_config(config).save_pretrained(plain)
    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    model = AutoModelForCausalLM.from_pretrained(plain, quantization_config=settings, device_map="cpu")
    model.save_pretrained(place)
    AutoTokenizer.from_pretrained(source).save_pretrained(place)
    return place


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, device_map="cpu", dtype=torch.float32)
    assert isinstance(model.model.layers[0].self_attn.q_proj, bitsandbytes.nn.Linear4bit)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def logits_of(model):
    return model(input_ids=torch.arange(64)[None]).logits[..., :316]


def test_a_loaded_model(folder):
    model, tokenizer = load(folder)
    before, rows = logits_of(model), len(model.get_input_embeddings().weight)
    report = tg.add_special_tokens(model, tokenizer, TOKENS)
    assert torch.equal(logits_of(model), before)
    assert report.rows_after == len(model.get_input_embeddings().weight) == max(rows, report.ids["<|pad|>"] + 1)
    assert tokenizer.pad_token_id == model.config.pad_token_id == report.ids["<|pad|>"]
    report.undo()
    assert torch.equal(logits_of(model), before)
    assert len(model.get_input_embeddings().weight) == rows


def test_a_packed_model_is_not_settled_and_a_fresh_one_is(folder):
    model, tokenizer = load(folder)
    logits_of(model)
    if is_packed(model):  # on processors whose kernels want it so
        with pytest.raises(ModelError, match="packed"):
            tg.add_special_tokens(model, tokenizer, TOKENS, settle="own")
        report = tg.add_special_tokens(model, tokenizer, TOKENS)
        assert "packed" in report.notes[0]
        assert report.settled is None
    assert tg.add_special_tokens(*load(folder), TOKENS).settled is not None


def test_a_folder_stays_in_four_bits_and_comes_back(folder, tmp_path):
    report = tg.add_special_tokens(folder, None, TOKENS, out=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]["load_in_4bit"]
    assert torch.equal(logits_of(load(tmp_path / "out")[0]), logits_of(load(folder)[0]))
    assert len(load(tmp_path / "out")[0].get_input_embeddings().weight) == report.rows_after
    tg.remove_special_tokens(tmp_path / "out", out=tmp_path / "back")
    assert files_of(tmp_path / "back") == files_of(folder)


def test_a_peft_model_on_top_learns_its_new_rows(folder):
    """QLoRA: adapters in the blocks, the rows of the new tokens beside them.

    On a CPU bitsandbytes packs weights at a pass without gradients, and a packed layer cannot learn: ours must not.
    """
    from peft import LoraConfig, get_peft_model

    model, tokenizer = load(folder)
    report = tg.add_special_tokens(model, tokenizer, TOKENS)
    new = [report.ids["<|user|>"], report.ids["<|assistant|>"]]
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"], r=2, trainable_token_indices=new)).train()
    text = tokenizer("<|user|>the cat<|assistant|>sat", return_tensors="pt").input_ids
    loss = adapted(input_ids=text, labels=text).loss
    loss.backward()
    gradients = {name: weight.grad for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert torch.isfinite(loss)
    assert any("trainable_tokens" in name and gradient.abs().max() > 0 for name, gradient in gradients.items())
    assert all("lora" in name or "trainable_tokens" in name for name in gradients)


def test_tokens_for_a_peft_model(folder):
    from peft import LoraConfig, get_peft_model

    model, tokenizer = load(folder)
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"], r=2, init_lora_weights=False)).eval()
    before = logits_of(adapted)
    report = tg.add_special_tokens(adapted, tokenizer, TOKENS)
    assert torch.equal(logits_of(adapted), before)
    assert list(report.ids) == list(TOKENS)
