"""Faults of data and trainings."""

import torch

from .faults_tables import load, with_user
from .setups import Bench, Given, fault
from .test_forward import naive

TEXTS = ["the cat sat<|end|>", "the dog went home to eat<|end|>"]


def special_pad(bench: Bench, given: Given) -> Given:
    return {**given, "model": bench.special(given["model"], "--pad", "<|pad|>")}


def settings(**changed):
    """A way out by the training's settings alone; None takes one away."""

    def mend(_bench: Bench, given: Given) -> Given:
        values = given["training"] | changed
        return {**given, "training": {name: value for name, value in values.items() if value is not None}}

    return mend


def without_pad(bench, name="model", **roles):
    """A model and tokenizer that never had a pad token."""
    tokenizer = bench.tokenizer(specials=("<|begin|>", "<|end|>"), pad_token=None, **roles)
    return bench.save(name, bench.model("llama-untied", tokenizer), tokenizer)


PAD = 'tokengraft special MODEL --pad "<|pad|>" --out NEW'


@fault("pad missing", "pad-missing", {PAD: special_pad, "train packed sequences": settings(packing=True)})
def no_pad(bench):
    # info without a training that pads; what is left of it under packing is that info
    return {"model": without_pad(bench), "training": {"collator": "DataCollatorWithPadding"}}


def by_attention(_bench: Bench, given: Given) -> Given:
    """Labels masked by attention, as the fix words it."""
    tokenizer = load(given["model"])[1]
    tokenizer.padding_side = "right"
    batch = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    return {"model": given["model"], "batches": [batch]}


@fault(
    "pad = eos with a collator that masks every eos",
    "pad-is-eos",
    {PAD: special_pad, "mask labels by the attention mask": by_attention},
)
def pad_is_eos(bench):
    folder = without_pad(bench)
    model, tokenizer = load(folder)
    tokenizer.pad_token = tokenizer.eos_token
    folder = bench.save("fine-tuned", model, tokenizer)
    return {
        "model": folder,
        "batches": [{"text": text} for text in TEXTS],
        "training": {"collator": "DataCollatorForLanguageModeling"},
    }


def own_batch(bench, labels):
    """A padded batch with labels made by hand."""
    tokenizer = bench.tokenizer()
    tokenizer.padding_side = "right"
    batch = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    return {"model": bench.sound(), "batches": [{**batch, "labels": labels(batch)}]}


def masked_labels(_bench: Bench, given: Given) -> Given:
    [batch] = given["batches"]
    return {
        **given,
        "batches": [{**batch, "labels": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)}],
    }


def seq2seq(bench: Bench, given: Given) -> Given:
    from transformers import DataCollatorForSeq2Seq

    tokenizer = bench.tokenizer()
    tokenizer.padding_side = "right"
    rows = [{"input_ids": ids, "labels": list(ids)} for ids in tokenizer(TEXTS)["input_ids"]]
    return {**given, "batches": [dict(DataCollatorForSeq2Seq(tokenizer)(rows))]}


@fault(
    "labels on padding",
    "labels-on-padding",
    {"set labels to −100 where attention_mask is 0": masked_labels, "DataCollatorForSeq2Seq": seq2seq},
)
def labels_on_padding(bench):
    return own_batch(bench, lambda batch: batch["input_ids"].clone())


@fault("batches whose labels are all −100", "labels-all-ignored", {"check what masks the prompt": masked_labels})
def all_ignored(bench):
    return own_batch(bench, lambda batch: torch.full_like(batch["input_ids"], -100))


def left(bench: Bench, given: Given) -> Given:
    model, tokenizer = load(given["model"])
    tokenizer.padding_side = "left"
    return {"model": bench.save("left", model, tokenizer)}


@fault(
    "right padding at generation (batch against single outputs)",
    "right-padding-generation",
    {'set tokenizer.padding_side = "left"': left, "--fix": lambda b, g: {"model": b.mended(g)}},
)
def right(bench):
    tokenizer = bench.tokenizer()
    tokenizer.padding_side = "right"
    return {"model": bench.save("model", bench.model(), tokenizer)}


def low(bench, dtype, **training):
    """Tables of low precision, and a training as people write it."""
    return {"model": bench.save("model", bench.model().to(dtype)), "training": training}


@fault(
    "fp16 parameters with AdamW ε that underflows (rows NaN after one step)",
    "fp16-adam-eps",
    {
        "load with dtype=torch.float32": settings(dtype="float32", fp16=True),
        "torch.bfloat16": settings(dtype="bfloat16"),
        "set adam_epsilon to 1e-4": settings(adam_epsilon=1e-4),
        "optim to adamw_torch_fused": settings(optim="adamw_torch_fused"),
    },
)
def fp16(bench):
    return low(bench, torch.float16, optim="adamw_torch", learning_rate=1e-4)


@fault(
    "bf16 rows whose updates vanish",
    "bf16-updates-vanish",
    {"float32 parameters (dtype=torch.float32 with bf16=True)": settings(dtype="float32", bf16=True),
     "raise the rate": settings(learning_rate=1e-2)},
)  # fmt: skip
def bf16(bench):
    return low(bench, torch.bfloat16, learning_rate=1e-6)


@fault(
    "weight decay on rows that should stand still",
    "weight-decay-moves-rows",
    {"set weight_decay to 0": settings(weight_decay=0.0),
     "trainable_token_indices": settings(target_modules=["q_proj"], trainable_token_indices=[300, 301])},
)  # fmt: skip
def decay(bench):
    training = {"weight_decay": 0.1, "learning_rate": 1e-3, "frozen_rows": 300}
    return {"model": bench.save("model", *with_user(bench)), "training": training}


def encoded_anew(_bench: Bench, given: Given) -> Given:
    return {**given, "batches": [{"text": "<|user|>the cat<|assistant|>sat"}]}


@fault(
    "new tokens never used in the data", "new-tokens-unused", {"check that the text really holds them": encoded_anew}
)
def unused(bench):
    base = bench.sound()
    return {"model": bench.save("model", *with_user(bench)), "base": base, "batches": [{"text": "the cat sat"}]}


ROWS = {"embed_tokens": [300, 301], "lm_head": [300, 301]}


@fault(
    "LoRA that leaves the new tokens' rows out",
    "new-rows-not-trained",
    {
        f"add trainable_token_indices={ROWS}": settings(trainable_token_indices=ROWS),
        "modules_to_save=['embed_tokens', 'lm_head']": settings(modules_to_save=["embed_tokens", "lm_head"]),
    },
)
def rows_left_out(bench):
    base = bench.sound()
    return {"model": bench.save("model", *with_user(bench)), "base": base, "training": {"target_modules": ["q_proj"]}}


@fault(
    "fp16=True with float16 parameters",
    "fp16-scaler-on-fp16",
    {
        "load with dtype=torch.float32": settings(dtype="float32"),
        "train in bfloat16": settings(dtype="bfloat16", fp16=False, bf16=True),
    },
)
def scaler(bench):
    return low(bench, torch.float16, fp16=True)


def with_ends(_bench: Bench, given: Given) -> Given:
    return {**given, "batches": [{"text": record["text"] + "<|end|>"} for record in given["batches"]]}


def stop_where_they_end(bench: Bench, given: Given) -> Given:
    model, tokenizer = load(given["model"])
    model.generation_config.eos_token_id = [1, tokenizer("the cat sat.").input_ids[-1]]
    return {**given, "model": bench.save("stops", model, tokenizer)}


@fault(
    "an end that is never a label",
    "eos-never-taught",
    {"append the eos token to each text": with_ends, "make generation stop on the token": stop_where_they_end},
)
def no_end(bench):
    tokenizer = bench.tokenizer()
    tokenizer.padding_side = "left"
    training = {"collator": "DataCollatorForLanguageModeling"}
    return {"model": bench.sound(), "batches": [{"text": "the cat sat."}, {"text": "rain."}], "training": training}


@fault(
    "LoRA with rows of the input table alone, untied",
    "new-rows-not-trained",
    {f"add trainable_token_indices={ROWS}": settings(trainable_token_indices=ROWS)},
)
def head_left_out(bench):
    base = bench.sound()
    training = {"target_modules": ["q_proj"], "trainable_token_indices": [300, 301]}
    return {"model": bench.save("model", *with_user(bench)), "base": base, "training": training}


def encoded_once(_bench: Bench, given: Given) -> Given:
    tokenizer = load(given["model"])[1]
    text = tokenizer.apply_chat_template(TALK, tokenize=False)
    return {**given, "batches": [tokenizer([text], add_special_tokens=False)]}


TALK = [{"role": "user", "content": "the cat"}]


@fault("two begin tokens", "double-bos", {"add_special_tokens=False": encoded_once})
def two_begins(bench):
    from tokenizers import processors

    tokenizer = bench.tokenizer()
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    post = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 0)])
    tokenizer.backend_tokenizer.post_processor = post
    text = tokenizer.apply_chat_template(TALK, tokenize=False)
    return {"model": bench.save("model", bench.model(), tokenizer), "batches": [tokenizer([text])]}


def own_encoding(_bench: Bench, given: Given) -> Given:
    return {**given, "batches": [load(given["model"])[1](["the cat sat"])]}


@fault(
    "ids in the data beyond the table",
    "batch-ids-beyond-table",
    {"encode the data with this model's tokenizer": own_encoding},
)
def other_encoding(bench):
    other = bench.tokenizer(size=400)
    texts = [text for text in bench.texts if max(other(text)["input_ids"]) > 300]
    return {"model": bench.sound(), "batches": [other(texts[:1])]}


def attention(kind):
    """Another attention; in a script, `from_pretrained(..., attn_implementation=kind)`."""

    def mend(_bench: Bench, given: Given) -> Given:
        given["model"].set_attn_implementation(kind)
        return given

    return mend


@fault(
    "masked rows that give NaN in attention on this device",
    "masked-rows-nan",
    {'load with attn_implementation="sdpa"': attention("sdpa"), '"eager"': attention("eager")},
)
def masked_nan(bench):
    return {"model": naive(bench.model()), "tokenizer": bench.tokenizer()}
