"""The bundled model's card, made of what its training wrote down: `python -m tokengraft.bundled.card DIR`."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokengraft.evaluation.generation import continue_greedily
from tokengraft.model import load_model
from tokengraft.tokenizer import TokenizerFile

PROMPTS = (
    "def main():\n    parser = argparse.",
    "class Queue:\n    def __init__(self, maxsize=0):\n        self.",
    "import os\nimport sys\n\ndef find_files(path):\n    for name in os.",
)

HEADER = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [tokengraft, code, tiny]
---
# tokengraft's bundled model
"""


def card(figures: Mapping[str, Any], samples: Sequence[tuple[str, str]]) -> str:
    """The card as Markdown; `samples` are (prompt, greedy continuation)."""
    recipe, f = figures["recipe"], figures
    million = f["tokens"] / 1e6
    sections = [
        HEADER,
        f"""\
A Llama of {f["parameters"]:,} parameters with an untied head and a byte-level BPE tokenizer of {recipe["vocabulary"]}
tokens (Llama-3's split pattern), trained from nothing on Python source. It is there to be given new tokens in a
demonstration that takes minutes; it is too small to be of use for anything else.

## What it read

The standard library of Python {f["python"]}: {f["training_files"]} files, {f["training_bytes"] / 1e6:.1f} MB. Every
file whose path hashes to one of 4 buckets of 100 was held out ({f["heldout_files"]} files). It has seen nothing else:
no package, no text of the demo's domain.

## How it was trained

```
{f["command"]}
```

{f["steps"]} steps of {recipe["rows"]} × {recipe["context"]} tokens ({million:.1f} million tokens) in
{f["seconds"] / 60:.0f} minutes on {f["hardware"]}. Matrices by Muon (rate {recipe["matrix_rate"]}), tables and norms by
AdamW (rate {recipe["table_rate"]}); warm-up, plateau, linear decay over the last {recipe["decay"]:.0%}. Stored in
bfloat16.

## How well it does

**{f["heldout_bits_per_byte"]:.3f} bits per byte** on the held-out files, in windows of 1 024 bytes that each begin with
the begin token. On the way, on every second held-out file:

| step | minutes | training loss (nats per token) | held-out bits per byte |
|---|---|---|---|""",
        *(_row(row) for row in f["curve"]),
        "\n## What it writes\n\nGreedy, 60 tokens; the prompt ends at `¦`.\n",
        *(f"```python\n{prompt}¦{text}\n```\n" for prompt, text in samples),
    ]
    return "\n".join(sections)


def _row(row: Mapping[str, float]) -> str:
    loss, bits = row["train_nats"], row["heldout_bits_per_byte"]
    return f"| {row['step']} | {row['seconds'] / 60:.0f} | {loss:.3f} | {bits:.3f} |"


def write_card(folder: Path) -> Path:
    """Path of the card, `README.md` in the model's folder, written from `training.json` there."""
    figures = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    model, tokenizer = load_model(str(folder), device="cpu"), TokenizerFile.load(folder)
    samples = [(prompt, continue_greedily(model, tokenizer, prompt, max_tokens=60).text) for prompt in PROMPTS]
    path = folder / "README.md"
    path.write_text(card(figures, samples), encoding="utf-8")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print(write_card(parser.parse_args().folder))
