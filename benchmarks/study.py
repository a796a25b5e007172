"""The study behind docs/study.md: every start and every objective on one model, seeds and equal steps.

    python benchmarks/study.py objectives --out DIR      # what teaches the rows
    python benchmarks/study.py starts --out DIR          # what they begin as
    python benchmarks/study.py time --out DIR            # the leading objectives at equal CPU time

`--config FILE` writes the settings instead, for `tokengraft compare FILE`. A stopped study goes on with the same
command. `--steps`, `--seeds`, `--bytes` make it larger; `--donor` adds the two starts that carry rows over from another
model. -P keeps this folder's own names, one of which is a library's, out of the way.
"""

import argparse
import json
from pathlib import Path

import torch
import yaml

from tokengraft.bundled import demo_settings
from tokengraft.study import run_study

KL_START = {"init": {"inputs": "subtoken-mean", "head": "first-subtoken"}}
RANDOM = {"init": {"inputs": "random-normal", "head": "random-normal"}}
MEAN = {"init": {"inputs": "mean", "head": "mean"}}

OBJECTIVES = {
    "kl": {},
    "kl, first-piece anchor": {"anchor": "first-piece"},
    "hidden-mse (Token Distillation)": {"objective": "hidden-mse"},
    "hidden-mse + auto*ce (αNTP)": {"objective": "hidden-mse + auto*ce"},
    "ce": {"objective": "ce"},
    "kl + 0.5*ce": {"objective": "kl + 0.5*ce"},
    "hidden-mse@2": {"objective": "hidden-mse@2"},
    "hidden-cosine": {"objective": "hidden-cosine"},
    "hidden-mse@1, then kl": {"objective": "kl", "first_objective": "hidden-mse@1"},
    "kl, temperature 2": {"temperature": 2.0},
    "kl, decay 16": {"position_decay": 16.0},
    "head: 0.25 chain-rule": {"head_objective": "0.75*ce + 0.25*chain-rule"},
    "head: 0.5 chain-rule": {"head_objective": "0.5*ce + 0.5*chain-rule"},
    "head: 0.75 chain-rule": {"head_objective": "0.25*ce + 0.75*chain-rule"},
    "head: chain-rule": {"head_objective": "chain-rule"},
}
THESIS = {
    "thesis: mean, KL": (MEAN, {"anchor": "first-piece"}),
    "thesis: mean, CE": (MEAN, {"objective": "ce"}),
    "thesis: random, KL": (RANDOM, {"anchor": "first-piece"}),
    "thesis: random, CE": (RANDOM, {"objective": "ce"}),
    "random, KL at the boundary": (RANDOM, {}),
}
CALIBRATED = {"init": {"inputs": "subtoken-mean", "head": "first-subtoken-calibrated"}}
OURS = {
    "calibrated head start": (CALIBRATED, {}),
    "calibrated head start, 0.5 chain-rule": (CALIBRATED, {"head_objective": "0.5*ce + 0.5*chain-rule"}),
}
STARTS = (
    "subtoken-mean", "random-normal", "random-normal-covariance", "mean", "length-weighted", "exponential",
    "first-subtoken", "last-subtoken", "align", "focus",
)  # fmt: skip
PAIRS = {
    "last in, first out": ("last-subtoken", "first-subtoken"),
    "default (mean in, first out)": ("subtoken-mean", "first-subtoken"),
    "mean in, calibrated first out": ("subtoken-mean", "first-subtoken-calibrated"),
    "mean in, convex fit out": ("subtoken-mean", "convex-fit"),
}


def objectives() -> dict[str, dict]:
    """Variants that differ in what teaches the rows."""
    return {
        **{name: {**KL_START, "distill": settings} for name, settings in OBJECTIVES.items()},
        **{name: {**start, "distill": settings} for name, (start, settings) in (THESIS | OURS).items()},
    }


def starts(donor: str | None) -> dict[str, dict]:
    """Variants that differ in what the rows begin as, each untrained and trained."""
    names = (*STARTS, "omp", "transfer") if donor else STARTS
    pairs = PAIRS | {name: (name, name) for name in names}
    inits = {name: {"inputs": inputs, "head": head, "donor": donor} for name, (inputs, head) in pairs.items()}
    inits["mean, norms calibrated"] = {"inputs": "mean", "head": "mean", "calibrate": True}
    inits["subtoken-mean, norms calibrated"] = {"inputs": "subtoken-mean", "head": "subtoken-mean", "calibrate": True}
    untrained = {f"{name}, untrained": {"init": init, "trained": False} for name, init in inits.items()}
    return {name: {"init": init} for name, init in inits.items()} | untrained


def at_equal_time() -> dict[str, dict]:
    """The leading objectives."""
    names = ("kl", "hidden-mse (Token Distillation)", "hidden-mse@2", "hidden-mse@1, then kl", "head: 0.5 chain-rule")
    return {name: {**KL_START, "distill": OBJECTIVES[name]} for name in names}


def main() -> None:
    """Parses the command line, runs the grid, prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=("objectives", "starts", "time"))
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--tokens-per-step", type=int, default=512)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--bytes", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="CPU seconds of each variant of `time`")
    parser.add_argument("--refit", type=int, default=0, help="positions of the head's closing fit")
    parser.add_argument("--donor", help="model folder for omp and transfer")
    parser.add_argument("--only", help="JSON list of the variants to run")
    parser.add_argument("--config", type=Path, help="write the settings to this file, for `tokengraft compare FILE`")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    grids = {"objectives": objectives, "starts": lambda: starts(chosen.donor), "time": at_equal_time}
    variants = grids[chosen.which]()
    if chosen.only:
        variants = {name: variants[name] for name in json.loads(chosen.only)}
    settings = demo_settings() | {"out": str(Path(chosen.out)), "threads": 1, "title": "study"}
    settings["tokens"] = {"size": chosen.size}
    settings["distill"] = settings["distill"] | {
        "steps": chosen.steps, "tokens_per_step": chosen.tokens_per_step, "refit_positions": chosen.refit,
        "max_length": 96,
    }  # fmt: skip
    settings["evaluation"] = {
        "max_bytes": chosen.bytes, "prompts": 3, "prompt_tokens": 24, "fertility_bytes": 500_000, "window_bytes": 512,
    }  # fmt: skip
    settings["study"] = {"variants": variants, "seeds": list(range(chosen.seeds)), "watch_every": 5}
    if chosen.which == "time":
        settings["study"]["seconds"] = chosen.seconds
    if chosen.config:
        chosen.config.write_text(yaml.safe_dump(settings, sort_keys=False))
        return
    done = run_study(settings)
    print((done.path / "study.md").read_text())


if __name__ == "__main__":
    main()
