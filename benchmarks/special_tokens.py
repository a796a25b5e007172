"""What does adding `<|user|>`, `<|assistant|>` and `<|pad|>` do to a model before and in training, and by which way?

    python benchmarks/special_tokens.py [MODEL ...] [--way WAY ...] [--before]

Without arguments: every way, on the bundled model and those of ../shared/data/models. Four ways: tokengraft with its
rows settled (`settle="own"`, what small models get unasked); the same without; transformers' default
(`add_special_tokens`, `resize_token_embeddings`: the mean with its covariance); and that with rows of no particular
start (`mean_resizing=False`). A model without an end token gets one. Prints a Markdown table: first what the tokens do
before any update, in percent of the base's loss on the same text; then 200 steps of full training on four
conversations, and what the model writes after those in float32.
"""

import argparse
import copy
import math
import platform
import sys
from pathlib import Path

import torch
from special_texts import COUNT, TURNS, at_line_ends, between_two, cost, in_the_middle, own_texts, real_texts
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "models"
LIKE = {"<|user|>": ["user", "User", "human"], "<|assistant|>": ["assistant", "answer"], "<|pad|>": {"role": "pad"}}
CONTROL = ["<|user|>", "<|assistant|>"]
STEPS, RATE, ROWS = 200, 1e-4, 4
WAYS = ["tokengraft", "not settled", "transformers", "no mean"]


def prepare(path, way, dtype):
    """Model and tokenizer with the tokens, and the ids of user, assistant, pad and end."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(path)
    eos = {} if tokenizer.eos_token else {"<|end|>": {"role": "eos"}}
    if way in {"tokengraft", "not settled"}:
        wanted = {**LIKE, **eos}
        if "smiles" in str(path):
            wanted |= dict.fromkeys(CONTROL)  # no words in this alphabet
        tg.add_special_tokens(model, tokenizer, wanted, replace=["pad"], settle="own" if way == "tokengraft" else "no")
    else:
        names = {"pad_token": "<|pad|>", "additional_special_tokens": CONTROL}
        tokenizer.add_special_tokens(names | ({"eos_token": next(iter(eos))} if eos else {}))
        torch.manual_seed(0)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=way == "transformers")
    return model, tokenizer


def texts_of(model, tokenizer, size, count=ROWS, length=40):
    """Texts that the base writes itself, as ids of the old vocabulary; with its begin token where it has one."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(size, (count, 1), generator=generator)
    if tokenizer.bos_token_id is not None:
        ids = torch.full_like(ids, tokenizer.bos_token_id)
    with torch.no_grad():
        while ids.shape[1] < length:
            chances = model(ids).logits[:, -1, :size].float().softmax(-1)
            ids = torch.cat([ids, torch.multinomial(chances, 1, generator=generator)], 1)
    return ids


def loss_on(model, ids, labels, mask=None):
    return model(input_ids=ids, labels=labels, attention_mask=torch.ones_like(ids) if mask is None else mask).loss


def conversations(ids, user, assistant, eos):
    """The same texts as conversations, with the places of their own tokens: user, half, assistant, half, end."""
    begin, half = 1, ids.shape[1] // 2
    column = ids.new_ones(len(ids), 1)
    parts = [ids[:, :begin], column * user, ids[:, begin:half], column * assistant, ids[:, half:], column * eos]
    own = torch.ones(ids.shape[1] + 3, dtype=torch.bool)
    own[[begin, half + 1, -1]] = False
    return torch.cat(parts, 1), own


def cost_inside(model, ids, user, assistant, eos):
    """Mean loss of the texts' own tokens where control tokens stand between them; those have no labels."""
    talk, own = conversations(ids, user, assistant, eos)
    return loss_on(model, talk, talk.masked_fill(~own, -100))


def cost_of_ordinary_tokens(model, ids, eos, draws=16):
    """The same with two tokens of the texts in the place of `<|user|>` and `<|assistant|>`: the mean of some draws."""
    generator = torch.Generator().manual_seed(2)
    written = ids[:, 1:].flatten()
    pairs = written[torch.randint(len(written), (draws, 2), generator=generator)].tolist()
    return torch.stack([cost_inside(model, ids, *pair, eos) for pair in pairs]).mean()


def padded(batch, pad, width=6):
    """The batch as a collator pads it, to the right: ids, mask, labels."""
    ids = torch.cat([batch, batch.new_full((len(batch), width), pad)], 1)
    mask = (torch.arange(ids.shape[1]) < batch.shape[1]).long().expand_as(ids)
    return ids, ids.masked_fill(mask == 0, -100), mask


def train(model, batch, pad):
    """Losses of the steps of plain full training, on batches padded to the right with their labels masked."""
    given = padded(batch, pad)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE)
    model.train()
    losses = []
    for _ in range(STEPS):
        loss = loss_on(model, *given)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    return losses


def same_alone(model, tokenizer, batch):
    """Of how many prompts a left-padded batch writes what they get alone; and how many of those texts end with eos."""
    starts = [row[: 6 + 4 * number].tolist() for number, row in enumerate(batch)]
    width = max(map(len, starts))
    pad = tokenizer.pad_token_id
    together = torch.tensor([[pad] * (width - len(start)) + start for start in starts])
    mask = torch.tensor([[0] * (width - len(start)) + [1] * len(start) for start in starts])
    settings = {"do_sample": False, "max_new_tokens": 48, "pad_token_id": pad, "eos_token_id": tokenizer.eos_token_id}
    together = model.generate(input_ids=together, attention_mask=mask, **settings)[:, width:]
    same = stopped = 0
    for row, start in zip(together, starts, strict=True):
        ids = torch.tensor([start])
        alone = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)[0, len(start) :]
        same += row[: len(alone)].tolist() == alone.tolist()
        stopped += tokenizer.eos_token_id in row.tolist()
    return same, stopped, len(starts)


def costs(base, model, theirs, tokenizer, texts):
    """What `<|user|>` and `<|assistant|>` cost in texts: between two, in the middle and behind a line; by kind."""
    pair = tokenizer.convert_tokens_to_ids(CONTROL)
    found = {}
    for kind, rows in texts.items():
        turns, anywhere, behind_line = (
            cost(model, base, theirs, where(rows[:most], theirs), *pair)
            for where, most in ((between_two, TURNS), (in_the_middle, COUNT), (at_line_ends, COUNT))
        )
        found[f"two of {kind}, one in between"] = str(turns or "–")
        found[f"{kind}, in its middle"] = str(anywhere or "–")
        found[f"nats {kind}"] = f"{anywhere.behind:+.2f}, {anywhere.elsewhere:+.2f}" if anywhere else "–"
        found[f"{kind}, behind a line"] = str(behind_line or "–")
        found[f"{kind}: tokens, 1 % from"] = (
            f"{anywhere.length:.0f}; {anywhere.enough}, {behind_line.enough if behind_line else '–'}"
            if anywhere
            else "–"
        )
    return found


def before_training(base, model, tokenizer, ids, old):
    """What the tokens do to the model before its first update."""
    user, assistant, pad = tokenizer.convert_tokens_to_ids([*CONTROL, "<|pad|>"])
    eos = tokenizer.eos_token_id
    with torch.no_grad():
        ours, theirs = model(ids).logits[..., :old], base(ids).logits[..., :old]
        plain, first = loss_on(base, ids, ids), loss_on(model, *padded(ids, pad))
        inside = cost_inside(model, ids, user, assistant, eos)
        ordinary = cost_of_ordinary_tokens(base, ids, eos if eos < old else int(ids[0, 0]))
        chances = model(ids).logits.float().softmax(-1)
    rows = model.get_input_embeddings().weight.detach()[[user, assistant]].float()
    return {
        "old logits": "identical" if torch.equal(ours, theirs) else f"differ by {(ours - theirs).abs().max():.0e}",
        "mass on new": f"{chances[..., old:].sum(-1).mean():.1e}",
        "mass on pad": f"{chances[..., pad].mean():.0e}",
        "first step, text without them": f"{100 * (first / plain - 1):+.2f} %",
        "first step, their text between them": f"{100 * (inside / plain - 1):+.0f} %",
        "short text, two ordinary tokens": f"{100 * (ordinary / plain - 1):+.0f} %",
        "cosine of user and assistant": f"{torch.cosine_similarity(*rows, dim=0):.3f}",
    }


def measure(path, way, *, train_too):
    base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    theirs = AutoTokenizer.from_pretrained(path)
    old = len(theirs)
    model, tokenizer = prepare(path, way, torch.float32)
    ids = texts_of(base, theirs, old)
    user, assistant = tokenizer.convert_tokens_to_ids(CONTROL)
    talk, _ = conversations(ids, user, assistant, tokenizer.eos_token_id)
    result = before_training(base, model.eval(), tokenizer, ids, old)
    texts = {"own text": own_texts(base, theirs, old, TURNS), "real text": real_texts(path, base, theirs, TURNS)}
    result |= costs(base, model, theirs, tokenizer, texts)
    if not train_too:
        return result
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        trained = copy.deepcopy(model) if dtype == torch.float32 else prepare(path, way, dtype)[0]
        losses = train(trained, talk, tokenizer.pad_token_id)
        finite = all(map(math.isfinite, losses)) and all(p.isfinite().all() for p in trained.parameters())
        result[f"{STEPS} steps {name}"] = f"{losses[0]:.3f} → {losses[-1]:.3f}{'' if finite else ' NaN'}"
        if dtype == torch.float32:
            same, stopped, count = same_alone(trained, tokenizer, talk)
            result["batch = single"], result["stops at eos"] = f"{same} of {count}", f"{stopped} of {count}"
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--before", action="store_true", help="only what the tokens do before any update")
    parser.add_argument("--way", nargs="+", choices=WAYS, default=WAYS)
    given = parser.parse_args()
    models = given.models or [MODEL_DIR, *sorted(DATA.glob("*/"))]
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {platform.machine()}, one thread; texts written by each base itself\n")
    names = None
    for path in models:
        for way in given.way:
            result = measure(path, way, train_too=not given.before)
            if names is None:
                names = list(result)
                print("| model | way | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 2))
            title = "bundled" if path.resolve() == MODEL_DIR.resolve() else path.resolve().name
            print(f"| {title} | {way} | " + " | ".join(result[name] for name in names) + " |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
