"""`<|user|>`, `<|assistant|>` and `<|pad|>` for models that others trained: before, in and after a short training."""

import inspect
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR
from tokengraft.special import hearing

REAL = ["stories260K-hf", "tinygpt-shakespeare-hf", "chemts-gpt2-0.2m-smiles"]
WORDS = {"<|user|>": ["user", "User", "human"], "<|assistant|>": ["assistant", "answer"], "<|pad|>": None}


@pytest.fixture(scope="module", params=["bundled", *(pytest.param(name, marks=pytest.mark.data) for name in REAL)])
def place(request):
    if request.param == "bundled":
        return MODEL_DIR
    return request.getfixturevalue("shared_data") / "models" / request.param


@pytest.fixture(autouse=True, scope="module")
def long_enough_texts():
    """What is said of texts of some length must be heard on such texts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hearing, "WIDTH", 64)
        yield


def load(place, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(place, dtype=dtype).eval(), AutoTokenizer.from_pretrained(place)


def add(model, tokenizer):
    """The tokens; an end token where there is none, as in models of characters alone."""
    # Alphabets of characters or molecules have no words to be like.
    tokens = dict.fromkeys(WORDS) if len(tokenizer) < 100 else dict(WORDS)
    if tokenizer.eos_token is None:
        tokens["<|end|>"] = {"role": "eos"}
    return tg.add_special_tokens(model, tokenizer, tokens, replace=["pad"])


@torch.no_grad()
def written(model, tokenizer, size):
    """Texts of unequal length that the model writes itself."""
    generator = torch.Generator().manual_seed(0)
    begin = tokenizer.bos_token_id
    ids = torch.full((3, 1), begin) if begin is not None else torch.randint(size, (3, 1), generator=generator)
    while ids.shape[1] < 24:
        chances = model(ids).logits[:, -1, :size].float().softmax(-1)
        ids = torch.cat([ids, torch.multinomial(chances, 1, generator=generator)], 1)
    return [row[:length].tolist() for row, length in zip(ids, (24, 17, 21), strict=True)]


def batch_of(texts, pad, *, left=False):
    """Ids, mask and labels as a collator makes them."""
    width = max(map(len, texts))
    gaps = [[pad] * (width - len(text)) for text in texts]
    ids = torch.tensor([gap + text if left else text + gap for gap, text in zip(gaps, texts, strict=True)])
    mask = torch.tensor(
        [[0] * len(gap) + [1] * len(text) if left else [1] * len(text) + [0] * len(gap)
         for gap, text in zip(gaps, texts, strict=True)]
    )  # fmt: skip
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def talks_of(texts, tokenizer, user, assistant):
    """The texts as conversations that end."""
    return [[*text[:1], user, *text[1:9], assistant, *text[9:], tokenizer.eos_token_id] for text in texts]


def train(model, batch, steps, rate):
    optimiser, losses = torch.optim.AdamW(model.parameters(), lr=rate), []
    model.train()
    for _ in range(steps):
        loss = model(**batch).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.detach())
    model.eval()
    return torch.stack(losses)


def test_old_logits_and_the_first_loss_stay(place):
    model, tokenizer = load(place)
    size = len(tokenizer)
    texts = written(model, tokenizer, size)
    rows = [torch.tensor([text]) for text in texts]
    with torch.no_grad():
        before = [model(row).logits[..., :size] for row in rows]
        counts = torch.tensor([len(text) - 1.0 for text in texts])
        losses = torch.stack([model(row, labels=row).loss for row in rows])
        plain = (losses * counts).sum() / counts.sum()
    report = add(model, tokenizer)
    with torch.no_grad():
        assert all(torch.equal(model(row).logits[..., :size], old) for row, old in zip(rows, before, strict=True))
        first = model(**batch_of(texts, report.ids["<|pad|>"])).loss
    assert 0.99 < first / plain < 1.01
    assert report.pad.mean < 1e-6


def test_text_that_people_wrote_does_not_wake_pad(monkeypatch):
    """Such text has rarer hidden states than what the model writes; a row that is too deep is loud there."""
    monkeypatch.setattr(hearing, "WIDTH", 160)
    model, tokenizer = load(MODEL_DIR)
    ids = tokenizer("".join(map(inspect.getsource, (json.decoder, json.encoder)))).input_ids
    pad = tg.add_special_tokens(model, tokenizer, {"<|pad|>": None}).ids["<|pad|>"]
    with torch.no_grad():
        rows = torch.tensor([ids[start : start + 400] for start in range(0, 4000, 400)])
        shares = torch.cat([model(row[None]).logits.softmax(-1)[0, :, pad] for row in rows])
    assert shares.mean() < 1e-6
    assert shares.max() < 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_training_stays_finite_and_teaches_the_end(place, dtype):
    model, tokenizer = load(place, dtype)
    texts = written(model, tokenizer, len(tokenizer))
    ids = add(model, tokenizer).ids
    talks = talks_of(texts, tokenizer, ids["<|user|>"], ids["<|assistant|>"])
    steps = 50 if dtype == torch.float32 else 5
    losses = train(model, batch_of(talks, ids["<|pad|>"]), steps, 3e-3)
    assert losses.isfinite().all()
    assert all(bool(weight.isfinite().all()) for weight in model.parameters())
    assert losses[-1] < losses[0]
    if dtype == torch.float32:
        _writes_alike_alone_and_ends(model, tokenizer, [talk[:12] if n else talk[:11] for n, talk in enumerate(talks)])


def _writes_alike_alone_and_ends(model, tokenizer, prompts):
    settings = {"do_sample": False, "max_new_tokens": 30}
    pad, eos = tokenizer.pad_token_id, tokenizer.eos_token_id
    batch = batch_of(prompts, pad, left=True)
    batch.pop("labels")
    together = model.generate(**batch, **settings)[:, batch["input_ids"].shape[1] :].tolist()
    for row, prompt in zip(together, prompts, strict=True):
        ids = torch.tensor([prompt])
        alone = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)[
            0, len(prompt) :
        ].tolist()
        assert row[: len(alone)] == alone
        assert eos in alone
        assert set(row[row.index(eos) + 1 :]) <= {pad}
