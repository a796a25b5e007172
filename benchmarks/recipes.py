"""What does each recipe bring on the bundled model, and what does it cost?

    python benchmarks/recipes.py OUT [RECIPE ...] [--full [--documents 60]] [--rows 60] [--later 30]

Each recipe runs as one command, `tokengraft expand --recipe NAME`, on the demo's domain with its control beside it, at
its own objectives, schedules, rates and order of phases; the number of steps is the one given here, in place of steps
or epochs sized for larger models, or by `--full` the recipe's own, with its own steps' sizes and lengths. Where a
recipe counts passes over its documents, `--documents` says how many there are: the demo's 9.5 million tokens 24 times
are nothing for a CPU.
A folder that is there is gone on with: a stopped benchmark loses nothing.
Results are kept as `recipes.<hardware>.<date>.md`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from tokengraft.bundled import MODEL_DIR
from tokengraft.recipes import read_recipe, recipe_names

HEAD = (
    "| recipe | model | domain bits per byte | general bits per byte | tokens a byte, domain | double subwords, read | "
    "canonical ratio, written | minutes of the run |"
)


def settings(recipe, rows, later, documents=None):
    """The recipe on the bundled model; of its settings only the number and size of steps are changed, if they are."""
    chosen = read_recipe(recipe)
    phases = [entry if isinstance(entry, dict) else {"phase": entry} for entry in chosen.get("phases", ["rows"])]
    has_later = any(entry["phase"] != "rows" for entry in phases)
    corpus = {**chosen.get("corpus", {}), "path": "demo:domain"}
    corpus.pop("max_documents", None)  # fewer documents than any recipe asks for are there
    if documents and any(part.get("epochs") for part in (chosen.get("distill", {}), *phases)):
        corpus["max_documents"] = documents
    given = {
        **chosen,
        "model": str(MODEL_DIR),
        "corpus": corpus,
        "general": {"path": "demo:general"},
        "replay": {"path": "demo:replay"},
        "tokens": {"size": 800, **chosen.get("tokens", {})},
        "control": "base" if has_later else None,
        "evaluation": {"memory": False, "max_bytes": 40_000, "prompts": 8, "prompt_tokens": 48,
                       "fertility_bytes": 400_000},
    }  # fmt: skip
    if rows is None:
        return {**given, "title": f"Recipe {recipe} in full"}
    return {**given, **_shortened(recipe, chosen, phases, rows, later)}


def _shortened(recipe, chosen, phases, rows, later):
    """The settings in which a run of so many steps differs from the recipe itself."""
    phase = {"steps": later, "epochs": None, "tokens_per_step": 2048, "max_length": 128}
    distill = {**chosen.get("distill", {}), "steps": rows, "epochs": None, "tokens_per_step": 2048}
    distill["max_length"] = min(distill.get("max_length") or 128, 128)
    if "refit_positions" not in distill or distill["refit_positions"]:
        distill["refit_positions"] = 600 * rows
    return {
        "title": f"Recipe {recipe}, {rows} steps of rows and {later} of each later phase",
        "distill": distill,
        "phases": [entry if entry["phase"] == "rows" else {**entry, **phase} for entry in phases],
    }


def run(out, recipe, rows, later, documents=None):
    """The figures of a recipe's run."""
    folder, config = out / recipe, out / f"{recipe}.yaml"
    config.write_text(yaml.safe_dump(settings(recipe, rows, later, documents)))
    command = [sys.executable, "-m", "tokengraft", "expand", str(config), "--out", str(folder), "--threads", "1"]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL)
    return json.loads((folder / "metrics.json").read_text())


def number(value, digits=4):
    return "–" if value is None else f"{value:.{digits}f}"


def lines(recipe, metrics):
    """Base, control and the last model of a run."""
    cards = {card["name"]: card for card in metrics["models"]}
    names = dict.fromkeys(["base", *(["control"] if "control" in cards else []), metrics["models"][-1]["name"]])
    for name in names:
        domain, general, written = cards[name]["domain"], cards[name]["general"], cards[name].get("generation") or {}
        cells = [
            recipe, name, number(domain["bits_per_byte"]), number(general["bits_per_byte"]),
            number(domain["tokens_per_byte"], 3), number(domain["double_subword_rate"]),
            number(written.get("canonical_ratio"), 3),
            f"{metrics['timing']['total_seconds'] / 60:.1f}" if name == metrics["models"][-1]["name"] else "",
        ]  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("recipes", nargs="*", help="which ones; all where none is named")
    parser.add_argument("--full", action="store_true", help="each recipe's own number and size of steps")
    parser.add_argument("--documents", type=int, default=60, help="of a full recipe that counts passes over them")
    parser.add_argument("--rows", type=int, default=60, help="steps of the rows")
    parser.add_argument("--later", type=int, default=30, help="steps of each later phase")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    steps = (None, None) if arguments.full else (arguments.rows, arguments.later)
    documents = arguments.documents if arguments.full else None
    said = "The recipes' own steps." if arguments.full else "{} steps of rows, {} of each later phase.".format(*steps)
    found = {recipe: run(arguments.out, recipe, *steps, documents) for recipe in arguments.recipes or recipe_names()}
    hardware = next(iter(found.values()))["hardware"]["cpu"]
    table = [
        f"Hardware: {hardware}, 1 thread. {said}",
        "",
        HEAD,
        "|---|---|---|---|---|---|---|---|",
        *(line for recipe, metrics in found.items() for line in lines(recipe, metrics)),
    ]
    (arguments.out / "table.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
