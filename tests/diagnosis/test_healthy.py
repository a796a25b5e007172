"""Set-ups with nothing wrong: no check may call an error there."""

from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, DataCollatorForSeq2Seq

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR
from tokengraft.diagnosis import Severity

from .conftest import CHAT, TINY, align, codes, make_model, make_tokenizer, save

ERROR = Severity.ERROR
PLAN = {
    "optim": "adamw_torch", "bf16": True, "learning_rate": 1e-4, "weight_decay": 0.1,
    "collator": "DataCollatorForSeq2Seq", "per_device_train_batch_size": 2,
}  # fmt: skip


def batches(tokenizer, texts):
    """As a sound training would see them: eos with a label, padding without."""
    side, tokenizer.padding_side = tokenizer.padding_side, "right"
    encoded = [[tokenizer.bos_token_id, *tokenizer(t)["input_ids"], tokenizer.eos_token_id] for t in texts]
    made = dict(DataCollatorForSeq2Seq(tokenizer)([{"input_ids": ids, "labels": list(ids)} for ids in encoded]))
    tokenizer.padding_side = side
    return [made]


@pytest.mark.parametrize("name", sorted(TINY))
def test_every_family_in_a_folder(name, tmp_path, tokenizer, english):
    model = align(make_model(name, rows=len(tokenizer)), tokenizer)
    folder = save(tmp_path / "model", model, tokenizer)
    # Some families have a tokenizer class of their own, which adds tokens and is what their tokenizers come from.
    tokenizer = AutoTokenizer.from_pretrained(folder)
    save(folder, align(make_model(name, rows=len(tokenizer)), tokenizer), tokenizer)
    findings = tg.doctor(folder, batches=batches(tokenizer, english[:4]), base=folder, training=PLAN)
    assert not codes(findings), findings


@pytest.mark.parametrize("name", ["llama-untied", "gpt2-tied"])
def test_padded_tables(name, tmp_path, tokenizer, english):
    """More rows than tokens, the phantom ones zero."""
    model = align(make_model(name, rows=len(tokenizer) + 21), tokenizer)
    model.get_output_embeddings().weight.data[len(tokenizer) :] = 0
    folder = save(tmp_path / "model", model, tokenizer)
    assert not codes(tg.doctor(folder, batches=batches(tokenizer, english[:4])), ERROR)


@pytest.mark.parametrize("name", ["llama-untied", "qwen2-tied", "gpt2-tied"])
@pytest.mark.filterwarnings("ignore")
def test_adapters(name, tmp_path, tokenizer):
    model = align(make_model(name, rows=len(tokenizer)), tokenizer)
    folder = save(tmp_path / "model", model, tokenizer)
    target = ["c_attn"] if name.startswith("gpt2") else ["q_proj", "v_proj"]
    get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=target)).save_pretrained(tmp_path / "a")
    tokenizer.save_pretrained(tmp_path / "a")
    findings = tg.doctor(folder, tmp_path / "a", adapter=tmp_path / "a", base=folder, training=PLAN)
    assert not codes(findings, ERROR), findings


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision(dtype, tmp_path, tokenizer):
    import torch

    model = align(make_model("llama-untied", rows=len(tokenizer)), tokenizer).to(getattr(torch, dtype))
    folder = save(tmp_path / "model", model, tokenizer)
    assert not codes(tg.doctor(folder, training={"dtype": "float32", **PLAN}), ERROR)


def test_a_chat_model(tmp_path, tokenizer_texts, english):
    tokenizer = make_tokenizer(tokenizer_texts, specials=("<|begin|>", "<|end|>", "<|pad|>", "<|user|>"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    tokenizer.chat_template = CHAT.replace("{{ END }}", "{{ eos_token }}")
    model = align(make_model("llama-untied", rows=len(tokenizer)), tokenizer)
    folder = save(tmp_path / "model", model, tokenizer)
    assert not codes(tg.doctor(folder, batches=batches(tokenizer, english[:4])), ERROR)


def test_a_base_model_without_a_pad_token(tmp_path, tokenizer_texts):
    """As most base models are published: eos alone, or bos and eos in one."""
    tokenizer = make_tokenizer(tokenizer_texts, specials=("<|end|>",), bos_token="<|end|>", pad_token=None)
    model = align(make_model("gpt2-tied", rows=len(tokenizer)), tokenizer)
    assert not codes(tg.doctor(save(tmp_path / "model", model, tokenizer)), ERROR)


def test_an_extension_of_our_own(tmp_path, folder, code):
    """Tokens that tokengraft itself added, with base beside it."""
    from transformers import AutoModelForCausalLM

    (tmp_path / "corpus.txt").write_text("\n\n".join(code))
    extended = tg.extend_tokenizer(folder, str(tmp_path / "corpus.txt"), size=30)
    model = tg.grow(AutoModelForCausalLM.from_pretrained(folder), extended)
    tg.initialise(model, extended)
    model.save_pretrained(tmp_path / "grown")
    extended.save(tmp_path / "grown")
    assert not codes(tg.doctor(tmp_path / "grown", base=folder), ERROR)


def test_the_bundled_model():
    assert not codes(tg.doctor(MODEL_DIR), ERROR)


@pytest.mark.data
@pytest.mark.parametrize("name", ["stories260K-hf", "tinygpt-shakespeare-hf", "chemts-gpt2-0.2m-smiles"])
def test_real_models(name, shared_data):
    assert not codes(tg.doctor(shared_data / "models" / name), ERROR)


@pytest.mark.data
@pytest.mark.parametrize("name", ["qwen2", "deepseek-coder", "llama2", "t5-small"])
def test_real_tokenizers(name, shared_data):
    """Each with a model that has as many rows as ids, and padding up to a multiple of 64."""
    import torch

    folder = shared_data / "tokenizers" / name
    size = _size(folder)
    model = make_model("gptj-bias", rows=-(-size // 64) * 64)
    model.lm_head.bias.data = torch.where(torch.arange(len(model.lm_head.bias)) < size, 0.0, -100.0)
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    assert not codes(tg.doctor(model, folder), ERROR)


def _size(folder: Path) -> int:
    from tokengraft.diagnosis.vocabulary import Vocabulary

    return Vocabulary.read(folder).size
