"""The study behind docs/study.md: every start and every objective on one model, seeds and equal steps.

    python benchmarks/study.py objectives --out DIR                     # what teaches the rows
    python benchmarks/study.py starts --out DIR                         # what they begin as, untrained and trained
    python benchmarks/study.py time --out DIR                           # the leading objectives at equal CPU time
    python benchmarks/study.py objectives --model stories --out DIR     # on stories260K, whose text it writes itself

`--config FILE` writes the settings instead, for `tokengraft compare FILE`. A stopped study goes on with the same
command. The stories are those of `../shared/data`; the bundled model reads
the demo's domain. The table of the head's targets is `benchmarks/study_head.py`.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import AutoModelForCausalLM

from tokengraft.bundled import demo_settings
from tokengraft.config import DistillConfig, InitConfig
from tokengraft.study import run_study
from tokengraft.tokenizer import TokenizerFile

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
STORIES = "models/stories260K-hf"

COPIED = {"init": {"inputs": "subtoken-mean", "head": "first-subtoken"}}
CALIBRATED = {"init": {"inputs": "subtoken-mean", "head": "first-subtoken-calibrated"}}
USUAL = {"init": {"inputs": InitConfig().inputs, "head": InitConfig().head}}
RANDOM = {"init": {"inputs": "random-normal", "head": "random-normal"}}
MEAN = {"init": {"inputs": "mean", "head": "mean"}}
PIECES = {"init": {"inputs": "subtoken-mean", "head": "subtoken-mean"}}

NEAR = {"windows": "around"}
"""Short windows around new tokens in place of whole text; the head learns from whole text beside them."""
REST = {"head_objective": "none", "refit_objective": "0.5*ce + 0.5*chain-rule", "refit_positions": 20_000}
"""All steps for the input rows, and the head in one convex fit at the end."""
HALF = {"head_objective": "0.5*ce + 0.5*chain-rule"}
PUBLISHED = {"objective": "hidden-mse", "snippet": 50, "snippets_per_token": 100}
"""Token Distillation's own layer, length and number of snippets (its example.py: target_layer −1, 50, 100)."""

ALONE = {
    "first_objective": None, "windows": "documents", "window_before": 16, "window_after": 32, "rate_inputs": 0.15,
    "piece_share": 0.0, "betas": [0.9, 0.999],
}  # fmt: skip
"""What all variants share: each row learns alone, in whole text. What is the default since is a variant of its own."""
TODAY = {name: list(value) if isinstance(value, tuple) else value
         for name, value in asdict(DistillConfig()).items() if name in ALONE}  # fmt: skip

TOKEN_DISTILLATION = "hidden-mse (Token Distillation)"  # noqa: S105 (no password)
THREE = {"objective": "0.5*kl + 0.5*hidden-mse + 0.2*ce"}
DEFAULT = {"objective": DistillConfig().objective, **TODAY}
FIT = {"refit_positions": 12_000}
"""The closing fit that is on by default, on as much text as the steps read; the other variants end with the steps."""
OBJECTIVES = {
    "kl": {},
    "three losses": THREE,
    "three losses, with the fit": THREE | FIT,
    "kl + hidden-mse, halves": {"objective": "0.5*kl + 0.5*hidden-mse"},
    "kl, with the fit": FIT,
    "kl, first-piece anchor": {"anchor": "first-piece"},
    TOKEN_DISTILLATION: {"objective": "hidden-mse"},
    "hidden-mse + auto*ce (αNTP)": {"objective": "hidden-mse + auto*ce"},
    "hidden-mse@2": {"objective": "hidden-mse@2"},
    "hidden-cosine": {"objective": "hidden-cosine"},
    "ce": {"objective": "ce"},
    "kl + 0.5*ce": {"objective": "kl + 0.5*ce"},
    "kl + 0.5*hidden-mse": {"objective": "kl + 0.5*hidden-mse"},
    "hidden-mse@1, then kl": {"objective": "kl", "first_objective": "hidden-mse@1"},
    "kl, temperature 2": {"temperature": 2.0},
    "kl, decay 16": {"position_decay": 16.0},
    "kl, around": NEAR,
    "hidden-mse, around": {"objective": "hidden-mse", **NEAR},
    "kl, around, head by a fit": {**NEAR, **REST},
    "hidden-mse@2, then kl, around": {"first_objective": "hidden-mse@2", **NEAR},
    "head: 0.25 chain-rule": {"head_objective": "0.75*ce + 0.25*chain-rule"},
    "head: 0.5 chain-rule": HALF,
    "head: 0.75 chain-rule": {"head_objective": "0.25*ce + 0.75*chain-rule"},
    "head: chain-rule": {"head_objective": "chain-rule"},
}
PAIRED = {
    "three losses, exponential start, the fit": (USUAL, THREE | FIT),
    "three losses, exponential start": (USUAL, THREE),
    "the default": (USUAL, DEFAULT | FIT),
    "the default, without its fit": (USUAL, DEFAULT),
    "Token Distillation, its snippets and start": (PIECES, PUBLISHED),
    "Token Distillation, its rate as well": (PIECES, {**PUBLISHED, "relative_rates": False, "rate_inputs": 1e-4}),
    "thesis: mean, KL": (MEAN, {"anchor": "first-piece"}),
    "thesis: mean, CE": (MEAN, {"objective": "ce"}),
    "thesis: random, KL": (RANDOM, {"anchor": "first-piece"}),
    "thesis: random, CE": (RANDOM, {"objective": "ce"}),
    "random, KL at the boundary": (RANDOM, {}),
    "mean, KL at the boundary": (MEAN, {}),
    "calibrated head": (CALIBRATED, {}),
    "calibrated head, 0.5 chain-rule": (CALIBRATED, HALF),
    "calibrated head, 0.25 chain-rule": (CALIBRATED, {"head_objective": "0.75*ce + 0.25*chain-rule"}),
    "kl, around, calibrated head, fit": (CALIBRATED, {**NEAR, **REST}),
}
RATES = {
    f"{name}, rate {rate:g}": {**settings, "rate_inputs": rate}
    for name, settings in {"kl": NEAR, "hidden-mse": {"objective": "hidden-mse", **NEAR}}.items()
    for rate in (0.05, 0.15, 0.3, 0.6)
}
STARTS = (
    "subtoken-mean", "random-normal", "random-normal-covariance", "mean", "length-weighted", "exponential",
    "first-subtoken", "last-subtoken", "align", "focus", "omp", "transfer",
)  # fmt: skip
PAIRS = {
    "mean in, first out": ("subtoken-mean", "first-subtoken"),
    "exponential in, first out": ("exponential", "first-subtoken"),
    "last in, first out": ("last-subtoken", "first-subtoken"),
    "mean in, calibrated first out": ("subtoken-mean", "first-subtoken-calibrated"),
    "mean in, convex fit out": ("subtoken-mean", "convex-fit"),
}
DRAWN = {"random-normal", "random-normal-covariance", "focus"}
"""Starts that a seed changes; the others' untrained rows are the same for every seed."""
LEADING = ("kl", "the default", TOKEN_DISTILLATION, "hidden-mse@2", "kl, around", "hidden-mse, around")

SIZES: dict[str, dict[str, Any]] = {
    "bundled": {"size": 100, "steps": 24, "tokens_per_step": 512, "max_length": 128, "replay_share": 0.25},
    "stories": {"size": 200, "steps": 40, "tokens_per_step": 1024, "max_length": 128, "replay_share": 0.0},
}
BYTES = {"bundled": 8_000, "stories": 12_000}


def objectives() -> dict[str, dict]:
    """Variants that differ in what teaches the rows."""
    return {
        **{name: {**COPIED, "distill": settings} for name, settings in OBJECTIVES.items()},
        **{name: {**start, "distill": settings} for name, (start, settings) in PAIRED.items()},
    }


def starts(donor: str | None) -> dict[str, dict]:
    """Variants that differ in what the rows begin as, each untrained and trained."""
    names = [name for name in STARTS if donor or name not in {"omp", "transfer"}]
    pairs = PAIRS | {name: (name, name) for name in names}
    inits: dict[str, dict] = {
        name: {"inputs": inputs, "head": head, **({"donor": donor} if {inputs, head} & {"omp", "transfer"} else {})}
        for name, (inputs, head) in pairs.items()
    }
    inits["mean, norms calibrated"] = {"inputs": "mean", "head": "mean", "calibrate": True}
    inits["subtoken-mean, norms calibrated"] = {"inputs": "subtoken-mean", "head": "subtoken-mean", "calibrate": True}
    untrained = {
        f"{name}, untrained": {"init": init, "trained": False, **({} if init["inputs"] in DRAWN else {"seeds": [0]})}
        for name, init in inits.items()
    }
    return {name: {"init": init} for name, init in inits.items()} | untrained


def write_stories(path: Path, model: Path, *, batches: int = 16, length: int = 400) -> None:
    """Text that the model models as well as any can: its own, drawn at temperature 1."""

    loaded, tokenizer = AutoModelForCausalLM.from_pretrained(model).eval(), TokenizerFile.load(str(model))
    begin, end = loaded.config.bos_token_id, loaded.config.eos_token_id
    torch.manual_seed(0)
    texts = []
    for _ in range(batches):
        ids = torch.full((64, 1), begin)
        written = loaded.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0, max_length=length,
            pad_token_id=end,
        )  # fmt: skip
        for row in written[:, 1:].tolist():
            ends = [place for place, number in enumerate(row) if number in {begin, end}]
            texts.append(tokenizer.decode(row[: ends[0]] if ends else row))
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts if text.strip()))


def settings_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """Settings of the study, but for its variants."""
    sizes = {name: getattr(chosen, name) or value for name, value in SIZES[chosen.model].items()}
    settings = demo_settings() | {"out": str(Path(chosen.out)), "threads": 1, "title": f"study, {chosen.which}"}
    settings["init"], settings["distill"] = {}, {}
    settings["tokens"] = {"size": sizes.pop("size")}
    if chosen.model == "stories":
        corpus = Path(chosen.corpus or Path(chosen.out).with_name("stories.jsonl"))
        if not corpus.exists():
            corpus.parent.mkdir(parents=True, exist_ok=True)
            write_stories(corpus, DATA / STORIES)
        settings |= {"model": str(DATA / STORIES), "corpus": {"path": str(corpus)}}
        settings["general"] = {"path": str(DATA / "corpora" / "wikitext2.jsonl.gz"), "max_documents": 400}
        del settings["replay"]
    elif chosen.corpus:
        settings["corpus"] = {"path": chosen.corpus}
    # Variants differ from `kl` alone with a head taught by the text; what is the default is one of them.
    settings["distill"] = {**sizes, **ALONE, "objective": "kl", "head_objective": "ce", "refit_positions": chosen.refit}
    size = chosen.bytes or BYTES[chosen.model]
    settings["evaluation"] = {
        "max_bytes": size, "prompts": 2, "prompt_tokens": 24, "fertility_bytes": 20 * size, "window_bytes": 512,
    }  # fmt: skip
    return settings


def main() -> None:
    """Parses the command line, runs the grid, prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=("objectives", "starts", "time", "rates"))
    parser.add_argument("--out", required=True)
    parser.add_argument("--model", choices=tuple(SIZES), default="bundled")
    parser.add_argument("--corpus", help="another corpus of the domain")
    for name, kind in {"steps": int, "tokens-per-step": int, "max-length": int, "size": int, "bytes": int}.items():
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--replay-share", type=float)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="CPU seconds of each variant of `time`")
    parser.add_argument("--refit", type=int, default=0, help="positions of the head's closing fit")
    parser.add_argument("--donor", help="model folder for omp and transfer")
    parser.add_argument("--only", help="JSON list of the variants to run")
    parser.add_argument("--config", type=Path, help="write the settings to this file, for `tokengraft compare FILE`")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    grids = {
        "objectives": objectives,
        "starts": lambda: starts(chosen.donor),
        "time": lambda: {name: objectives()[name] for name in LEADING},
        "rates": lambda: {name: {**COPIED, "distill": settings} for name, settings in RATES.items()},
    }
    variants = grids[chosen.which]()
    if chosen.only:
        variants = {name: variants[name] for name in json.loads(chosen.only)}
    settings = settings_of(chosen)
    if chosen.which == "starts":
        settings["distill"] |= THREE
    settings["study"] = {"variants": variants, "seeds": list(range(chosen.seeds)), "watch_every": 4, "choice": False}
    if TOKEN_DISTILLATION in variants:
        settings["study"]["target"] = TOKEN_DISTILLATION
    if chosen.which == "time":
        settings["study"]["seconds"] = chosen.seconds
    if chosen.config:
        portable = settings | ({"model": "demo:model"} if chosen.model == "bundled" else {})
        chosen.config.write_text(yaml.safe_dump(portable, sort_keys=False, allow_unicode=True))
        return
    done = run_study(settings)
    print((done.path / "study.md").read_text())


if __name__ == "__main__":
    main()
