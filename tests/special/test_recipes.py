"""The two trainings that follow `tokengraft special`, by the program, on what that command wrote."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg

INPUTS, HEAD = "model.embed_tokens.weight", "lm_head.weight"
SMALL = (
    "evaluation.max_bytes=1500", "evaluation.window_bytes=256", "evaluation.prompts=1", "evaluation.prompt_tokens=4",
    "evaluation.samples=1", "phase.tokens_per_step=256", "phase.rate=1e-2",
)  # fmt: skip


@pytest.fixture(scope="module")
def chat(tmp_path_factory, english):
    """Conversations, and text to measure on."""
    folder, draw = tmp_path_factory.mktemp("chat"), random.Random(0)
    words = english[0].split()
    lines = []
    for _ in range(40):
        talk = [{"role": role, "content": " ".join(draw.choices(words, k=6))} for role in ("user", "assistant")]
        lines.append(json.dumps({"messages": talk}) + "\n")
    (folder / "chat.jsonl").write_text("".join(lines))
    (folder / "text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in english[:60]))
    return folder


@pytest.fixture(scope="module")
def special(base, chat, here):
    """A model folder that the command wrote, whose tokens the conversations use often enough."""
    done = here(
        "special", base, "--token", "<|user|>=cat,dog", "--token", "<|assistant|>", "--pad", "<|pad|>",
        "--chat-template", "roles", "--data", chat / "chat.jsonl", "--out", chat / "model",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return chat / "model"


@pytest.fixture(scope="module", params=["special-lora", "special-warm-up"])
def trained(request, special, base, chat, here):
    """The recipe's name and the model that it wrote."""
    out = chat / request.param
    done = here(
        "train", "--recipe", request.param, "--model", special, "--base", base, "--corpus", chat / "text.jsonl",
        "--steps", 10, "--set", f"phase.instructions.path={chat / 'chat.jsonl'}", "--out", out,
        *(part for setting in SMALL for part in ("--set", setting)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return request.param, out / "model"


def test_the_tokens_learn_and_pad_does_not(trained, special):
    name, folder = trained
    before, after = load_file(special / "model.safetensors"), load_file(folder / "model.safetensors")
    assert {weight: tensor.shape for weight, tensor in before.items()} == {
        weight: tensor.shape for weight, tensor in after.items()
    }
    for row in (316, 317):
        assert not torch.equal(after[INPUTS][row], before[INPUTS][row])
        assert not torch.equal(after[HEAD][row], before[HEAD][row])
    assert torch.equal(after[INPUTS][318], before[INPUTS][318])
    old_rows_stand = all(torch.equal(after[table][:316], before[table][:316]) for table in (INPUTS, HEAD))
    assert old_rows_stand == (name == "special-lora")
    blocks = [weight for weight in before if ".layers." in weight and "proj" in weight]
    assert not any(torch.equal(after[weight], before[weight]) for weight in blocks)


def test_the_folder_is_still_a_chat_model(trained, base):
    _, folder = trained
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "the cat"}], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert (ids[0], ids.count(316), ids.count(317)) == (316, 1, 1)
    assert tokenizer.pad_token_id == model.config.pad_token_id == model.generation_config.pad_token_id == 318
    assert model.generation_config.suppress_tokens == [318]
    assert all(bool(weight.isfinite().all()) for weight in model.parameters())
    assert [finding for finding in tg.doctor(folder, base=base) if finding.severity == "error"] == []


def test_the_answers_cost_less_afterwards(trained, special, chat):
    """On the conversations themselves: that the answers alone were learned, and learned."""
    tokenizer = AutoTokenizer.from_pretrained(special)
    talks = [json.loads(line)["messages"] for line in (chat / "chat.jsonl").read_text().splitlines()[:8]]
    losses = []
    for folder in (special, trained[1]):
        model = AutoModelForCausalLM.from_pretrained(folder)
        with torch.no_grad():
            texts = [tokenizer.apply_chat_template(talk, tokenize=False) for talk in talks]
            rows = [tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids for text in texts]
            losses.append(sum(float(model(input_ids=ids, labels=ids).loss) for ids in rows))
    assert losses[1] < 0.95 * losses[0]
