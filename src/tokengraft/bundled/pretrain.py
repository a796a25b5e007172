"""Trains the bundled model from nothing: `python -m tokengraft.bundled.pretrain --minutes 80 --out DIR`.

A byte-level BPE tokenizer with the Llama-3 split pattern, then a small untied Llama, both on the standard library of
the running interpreter and nothing else. Matrices learn by Muon, tables and norms by AdamW; the learning rate holds and
then falls to zero (warm-up, plateau, decay), so that a budget of minutes or of steps gives a finished model. A stopped
run goes on from its last checkpoint.
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tokengraft.artifacts import hardware
from tokengraft.bundled.card import write_card
from tokengraft.bundled.material import BEGIN, END, kept_tokenizer, token_stream, training_rows
from tokengraft.corpus.python_sources import general_texts
from tokengraft.evaluation.bits_per_byte import bits_per_byte, byte_windows


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, written into the model card."""

    vocabulary: int = 3072
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2
    intermediate: int = 704
    context: int = 512
    rows: int = 8
    matrix_rate: float = 5e-3
    table_rate: float = 3e-3
    weight_decay: float = 0.1
    warmup: float = 0.02
    decay: float = 0.35
    seed: int = 0


def build_model(recipe: Recipe) -> Any:
    """A Llama with an untied head and fresh weights."""
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        max_position_embeddings=recipe.context,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        tie_word_embeddings=False,
        initializer_range=recipe.hidden**-0.5 / 2,
    )
    return LlamaForCausalLM(config)


def build_optimizers(model: Any, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for both tables and the norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
    tables = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" not in name]
    norms = [p for p in model.parameters() if p.ndim == 1]
    muon = torch.optim.Muon(
        matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(
        [
            {"params": tables, "lr": recipe.table_rate, "weight_decay": 0.01},
            {"params": norms, "lr": recipe.table_rate, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.95),
    )
    optimizers: list[torch.optim.Optimizer] = [muon, adam]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_rate"] = group["lr"]
    return optimizers


def rate_factor(progress: float, recipe: Recipe) -> float:
    """Share of the full learning rate at `progress` in [0, 1]: linear warm-up, plateau, linear decay to 0."""
    return max(0.0, min(1.0, progress / recipe.warmup, (1 - progress) / recipe.decay))


@dataclass
class Clock:
    """How far the run is: by steps where their number is given, else by minutes of training."""

    minutes: float
    steps: int | None
    step: int = 0
    spent: float = 0.0

    @property
    def progress(self) -> float:
        """Share of the budget that is used up, from 0 to 1."""
        done = self.step / self.steps if self.steps else self.spent / 60 / self.minutes
        return min(1.0, done)


@dataclass(frozen=True, slots=True)
class Material:
    """What a model is trained on and judged by, in text, and the tokenizer between."""

    tokenizer: Tokenizer
    training: Sequence[str]
    heldout: Sequence[str]


def train(
    model: Any, material: Material, recipe: Recipe, clock: Clock, out: Path, device: str
) -> list[dict[str, float]]:
    """Learning curve: step, seconds, training nats per token, held-out bits per byte. `model` is trained in place."""
    model.to(device)
    optimizers = build_optimizers(model, recipe)
    checkpoint = out / "checkpoint.pt"
    curve = load_checkpoint(checkpoint, model, optimizers, clock)
    stream = token_stream(material.tokenizer, material.training)
    batches = training_rows(stream, recipe.context, recipe.rows, recipe.seed, clock.step)
    probe = list(material.heldout)[:: max(1, len(material.heldout) // 24)]
    average = math.nan
    begun = saved_at = time.monotonic()
    before = clock.spent
    while clock.progress < 1:
        loss = train_step(model, next(batches).to(device), optimizers, rate_factor(clock.progress, recipe))
        clock.step += 1
        clock.spent = before + time.monotonic() - begun
        average = loss if math.isnan(average) else 0.98 * average + 0.02 * loss
        if clock.step % 20 == 0:
            print(f"step {clock.step} loss {average:.4f} {clock.spent / 60:.1f} min {clock.progress:.1%}", flush=True)
        if clock.step % 200 == 0:
            curve.append(
                {
                    "step": clock.step,
                    "seconds": round(clock.spent),
                    "train_nats": round(average, 4),
                    "heldout_bits_per_byte": round(heldout_bits(model, material.tokenizer, probe, recipe.context), 4),
                }
            )
            print(curve[-1], flush=True)
        if time.monotonic() - saved_at > 240:
            save_checkpoint(checkpoint, model, optimizers, clock, curve)
            saved_at = time.monotonic()
    return curve


def load_checkpoint(
    path: Path, model: Any, optimizers: list[torch.optim.Optimizer], clock: Clock
) -> list[dict[str, float]]:
    """The learning curve so far, with everything else set to where the run was stopped; empty where it begins."""
    if not path.exists():
        return []
    state = torch.load(path, weights_only=True, map_location=model.device)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    clock.step, clock.spent = state["step"], state["spent"]
    return json.loads(state["curve"])


def train_step(model: Any, ids: torch.Tensor, optimizers: list[torch.optim.Optimizer], factor: float) -> float:
    """Loss in nats per token of one step."""
    with torch.autocast(ids.device.type, dtype=torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits
    loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_rate"] * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()


def save_checkpoint(
    path: Path, model: Any, optimizers: list[torch.optim.Optimizer], clock: Clock, curve: list[Any]
) -> None:
    """Everything that the next start needs, written beside and moved into place."""
    temporary = path.with_suffix(".tmp")
    torch.save(
        {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": clock.step,
         "spent": clock.spent, "curve": json.dumps(curve)},
        temporary,
    )  # fmt: skip
    temporary.replace(path)


def heldout_bits(model: Any, tokenizer: Tokenizer, texts: Sequence[str], context: int) -> float:
    """Bits per byte over windows of 1 024 bytes, each begun with BEGIN."""
    windows = list(byte_windows(texts))
    encoded = [
        (encoding.ids, len(window.encode()))
        for window, encoding in zip(
            windows, tokenizer.encode_batch_fast(windows, add_special_tokens=False), strict=True
        )
    ]
    model.eval()
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        result = bits_per_byte(model, encoded, prefix=0, context=context)
    model.train()
    return result.value


def save_model(model: Any, tokenizer: Tokenizer, out: Path) -> None:
    """Writes a Hugging Face directory in bfloat16: two bytes a weight, and a package of under 12 MB."""
    model.to(torch.bfloat16).save_pretrained(out)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, clean_up_tokenization_spaces=False,
        model_max_length=model.config.max_position_embeddings,
    ).save_pretrained(out)  # fmt: skip


def main() -> None:
    """Parses the command line, trains, and writes the model with its figures in `training.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe()
    texts = [text for _, text in general_texts(heldout=False)]
    heldout = [text for _, text in general_texts(heldout=True)]
    tokenizer = kept_tokenizer(out, texts, recipe.vocabulary)
    model = build_model(recipe)
    clock = Clock(arguments.minutes, arguments.steps)
    curve = train(model, Material(tokenizer, texts, heldout), recipe, clock, out, arguments.device)
    save_model(model, tokenizer, out)
    figures = {
        "command": f"python -m tokengraft.bundled.pretrain {' '.join(sys.argv[1:])}",
        "python": platform.python_version(),
        "hardware": f"{hardware()['cpu']}, {torch.get_num_threads()} threads, device {arguments.device}",
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_files": len(texts),
        "training_bytes": sum(len(t.encode()) for t in texts),
        "steps": clock.step,
        "tokens": clock.step * recipe.rows * recipe.context,
        "seconds": round(clock.spent),
        "heldout_files": len(heldout),
        "heldout_bits_per_byte": round(heldout_bits(model, tokenizer, heldout, recipe.context), 4),
        "curve": curve,
    }
    (out / "training.json").write_text(json.dumps(figures, indent=1) + "\n")
    write_card(out)
    print({k: v for k, v in figures.items() if k != "curve"}, flush=True)


if __name__ == "__main__":
    main()
