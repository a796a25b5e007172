"""What do tables and LoRA add to the rows, against a base that learned from the same documents?

    python benchmarks/phases.py OUT [--scale 0.1] [--scorer count] [--seed 0]

One command takes the bundled model through rows, tables and LoRA on the demo's domain, with the control beside it; its
tokens are those that other text has little use for (`domain-share`). Then LoRA is run twice more on what came out, in
fresh processes: new rows as trainable tokens, and whole tables.
The same command on the same folder goes on where it was stopped. Results are kept as `phases.<hardware>.<date>.md`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tokengraft.bundled import demo_settings
from tokengraft.config import merged

MIB = 2**20
STEPS = {"rows": 200, "tables": 60, "lora": 250, "compared": 40}


def settings(steps, size, scorer="domain-share", seed=0):
    phase = {"tokens_per_step": 2048, "max_length": 128}
    changes = {
        "seed": seed,
        "tokens": {"scorer": scorer, "reference": {"path": "demo:replay"} if scorer == "domain-share" else None},
        "control": "base",
        "distill": {"steps": steps["rows"], "refit_positions": 600 * steps["rows"]},
        "evaluation": {"memory": False, "max_bytes": size, "prompts": 48, "prompt_tokens": 48},
        "phases": [
            {"phase": "rows"},
            {"phase": "tables", "steps": steps["tables"], "rate": 4e-4, **phase},
            {"phase": "lora", "steps": steps["lora"], "rate": 1e-3, "rank": 16, **phase},
        ],
    }
    return merged(demo_settings(), changes)


def program(*arguments):
    begun = time.monotonic()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-m", "tokengraft", *map(str, arguments)], check=True, env=environment)
    return time.monotonic() - begun


def number(value, digits=4):
    return "–" if value is None else f"{value:.{digits}f}"


def row(card):
    domain, general, written = card["domain"], card["general"], card.get("generation") or {}
    cells = [
        card["name"], number(domain["bits_per_byte"]), number(general["bits_per_byte"]),
        number(general["kl_to_base"]), number(domain["double_subword_rate"]), number(written.get("canonical_ratio"), 3),
        number(written.get("double_subword_rate")),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def promises(metrics):
    """Each figure that is promised of the last model, what was found, and whether it holds."""
    cards = {card["name"]: card for card in metrics["models"]}
    last, control = metrics["models"][-1], cards["control"]
    written = last["generation"]
    for part, word in (("domain", "below"), ("general", "no worse than")):
        ours, theirs = last[part]["bits_per_byte"], control[part]["bits_per_byte"]
        held = ours < theirs if part == "domain" else ours <= theirs
        yield (
            f"{part} bits per byte {word} the control's",
            f"{ours:.4f} against {theirs:.4f}{_certain(metrics, part)}",
            held,
        )
    yield "canonical ratio at least 0.95", number(written["canonical_ratio"], 3), written["canonical_ratio"] >= 0.95
    for how, rate in (("read", last["domain"]["double_subword_rate"]), ("written", written["double_subword_rate"])):
        yield f"double subwords below 0.5 %, {how}", "–" if rate is None else f"{rate:.2%}", (rate or 0) < 0.005


def _certain(metrics, part):
    """The paired difference to the control, with its interval over documents."""
    for entry in metrics["differences"]:
        wanted = entry["before"] == "control" and entry["part"] == part and entry["metric"] == "bits_per_byte"
        if wanted and entry["change"]:
            change = entry["change"]
            return f" ({change['value']:+.4f}, 95 % interval {change['low']:+.4f} to {change['high']:+.4f})"
    return ""


def compare(out, run, rows, steps, size):
    folder = out / rows
    program(
        "train", "--model", run, "--phase", "lora", "--corpus", "demo:domain", "--general", "demo:general", "--replay",
        "demo:replay", "--steps", steps, "--out", folder, "--set", f"phase.rows={rows}", "--set", "phase.rate=1e-3",
        "--set", "phase.max_length=128", "--set", f"evaluation.max_bytes={size}",
        "--set", "evaluation.prompts=0", "--threads", 1,
    )  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    [phase] = metrics["phases"]
    memory, card = phase["memory"], metrics["models"][-1]
    peak = memory["peak_bytes"] - memory["baseline_bytes"]
    cells = [memory[name] / MIB for name in ("adapter_bytes", "gradient_bytes", "moment_bytes")]
    figures = [f"{value:.2f}" for value in cells] + [f"{peak / MIB:.0f}", f"{phase['seconds'] / phase['steps']:.2f}"]
    return f"| {rows} | {' | '.join(figures)} | {row(card).split('|')[2].strip()} | {row(card).split('|')[3].strip()} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the steps, to see sooner how it goes")
    parser.add_argument("--bytes", type=int, default=60_000, help="held-out text of each kind that is read")
    parser.add_argument("--scorer", default="domain-share", help="what tokens are chosen by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways-of", type=Path, metavar="RUN", help="only the two ways of LoRA, on the model of a run")
    arguments = parser.parse_args()
    steps = {name: max(2, round(count * arguments.scale)) for name, count in STEPS.items()}
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.ways_of:
        finish(
            out,
            [
                f"LoRA on {arguments.ways_of.name}, {steps['compared']} steps.",
                *ways(out, arguments.ways_of, steps, arguments.bytes),
            ],
        )
        return
    config = out / "run.yaml"
    config.write_text(yaml.safe_dump(settings(steps, arguments.bytes, arguments.scorer, arguments.seed)))
    run = out / "run"
    program("expand", config, "--out", run, "--threads", 1)
    metrics = json.loads((run / "metrics.json").read_text())
    lines = [
        f"Hardware: {metrics['hardware']['cpu']}, 1 thread. Steps: {steps}.",
        "",
        "| model | domain bits per byte | general bits per byte | KL to base, general | double subwords, read | "
        "canonical ratio, written | double subwords, written |",
        "|---|---|---|---|---|---|---|",
        *map(row, metrics["models"]),
        "",
        "| figure after rows, tables and LoRA | found | held |",
        "|---|---|---|",
        *(f"| {figure} | {found} | {'yes' if held else 'no'} |" for figure, found, held in promises(metrics)),
        "",
        "| part | steps | cross-entropy, first | last | seconds | error of folding in |",
        "|---|---|---|---|---|---|",
        *(
            f"| {p['name']} | {p['steps']} | {p['first']['cross_entropy']:.3f} | {p['last']['cross_entropy']:.3f} | "
            f"{p['seconds']:.0f} | {'–' if p['merge_error'] is None else format(p['merge_error'], '.1e')} |"
            for p in metrics["phases"]
        ),
        *ways(out, run, steps, arguments.bytes),
    ]
    finish(out, lines)


def ways(out, run, steps, size):
    """The table of both ways in which new rows learn beside adapters, each in a fresh process."""
    return [
        "",
        "| new rows beside LoRA | adapter, MiB | gradients | moments | peak above the model | s a step | "
        "domain bits per byte | general |",
        "|---|---|---|---|---|---|---|---|",
        *(compare(out, run, rows, steps["compared"], size) for rows in ("trainable-tokens", "modules-to-save")),
    ]


def finish(out, lines):
    """Writes the tables, and prints them."""
    (out / "tables.md").write_text("\n".join(lines) + "\n")
    print((out / "tables.md").read_text())


if __name__ == "__main__":
    main()
