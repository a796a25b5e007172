"""A finished run in every format: sizes, and what a fresh process gives; the patch projected to a 7 B model.

    python benchmarks/exports.py RUN [--llama-cpp CHECKOUT --pre-tokenizer NAME] > benchmarks/exports.HARDWARE.DATE.md

For a run: `tokengraft demo --steps 60 --out RUN`. With llama-cpp-python installed, llama.cpp is asked as well.
"""

import argparse
import json
import platform
import tempfile
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

from safetensors import safe_open

from tokengraft.artifacts import hardware
from tokengraft.errors import TokengraftError
from tokengraft.exporting import exporters
from tokengraft.exporting.patch import NAME, ROWS, apply_patch
from tokengraft.exporting.tensors import weights
from tokengraft.exporting.write import Attempted, write_and_try

LARGE = {"d": 4096, "n": 1000, "bytes": 2, "checkpoint": 6_738_415_616 * 2}
"""Llama-2-7B in bfloat16: 6 738 415 616 weights (its config.json: 32 layers, d 4 096, 32 000 tokens, 11 008 wide)."""


def size(path: Path) -> int:
    """Bytes of all files but the card."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and file.name != "README.md")


def row(form: str, kind: str, done: Attempted, seconds: float) -> str:
    """One line of the table."""
    found = done.outcome
    asked = (
        f"{found.lines} of {found.lines} same | {found.difference:.1e} on {found.logits} | "
        f"{f'{found.written} tokens same' if found.written else 'not compared'}"
        if found.lines
        else "not asked | not asked | not asked"
    )
    return f"| `{form}`{kind} | {size(done.path) / 1e6:.2f} MB | {asked} | {seconds:.0f} s |"


def table(run: Path, scratch: Path, options: dict[str, str]) -> list[str]:
    """Each format, written and tried."""
    lines = ["| format | size | ids | logits, largest difference | greedy text | time |", "|---|---|---|---|---|---|"]
    for entry in exporters:
        kinds = ["f32", "bf16"] if entry.needs and options else [None]
        for kind in kinds:
            given = {**options, "gguf_type": kind} if kind else {}
            begun = time.monotonic()
            try:
                done = write_and_try(run, scratch / f"{entry.name}{kind or ''}", entry.name, given)
            except TokengraftError as error:
                lines.append(f"| `{entry.name}` | refused: {error.found}; {error.do} | | | | |")
                continue
            lines.append(row(entry.name, f" {kind}" if kind else "", done, time.monotonic() - begun))
    return lines


def projection(run: Path, patch: Path) -> list[str]:
    """What the patch of these tokens would be on a model of 7 B weights."""
    state = json.loads((run / "run.json").read_text(encoding="utf-8"))
    files = weights(run / "model")
    name = next(name for name in files if "embed" in name or "wte" in name)
    with safe_open(files[name], framework="pt") as file:
        d, width = file.get_slice(name).get_shape()[1], file.get_tensor(name).element_size()
    added = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["tokens"]["added"]
    tied = json.loads((run / "model" / "config.json").read_text(encoding="utf-8")).get("tie_word_embeddings")
    tables = 1 if tied else 2
    with zipfile.ZipFile(patch) as archive:
        packed = archive.getinfo(ROWS).compress_size
    stored = patch.stat().st_size
    rows, rest = tables * added * d * width, stored - packed
    large_rows = 2 * LARGE["n"] * LARGE["d"] * LARGE["bytes"]
    large = large_rows + rest * LARGE["n"] / added
    return [
        f"Patch of `{Path(state['settings']['model']).name}` (d = {d}, {width} bytes a weight, n = {added}): "
        f"{stored} bytes, of which {packed} are {tables} × {added} × {d} × {width} = {rows} bytes of rows, packed,",
        f"and {rest} the rest (tokenizer, settings, record): {rest / added:.0f} bytes a token.",
        "",
        f"Projected to d = {LARGE['d']}, n = {LARGE['n']}, {LARGE['bytes']} bytes, two tables, rows not packed: 2 × "
        f"{LARGE['n']} × {LARGE['d']} × {LARGE['bytes']} = {large_rows} bytes,",
        f"the rest {rest / added * LARGE['n']:.0f}: {large / 1e6:.1f} MB of {LARGE['checkpoint'] / 1e9:.2f} GB "
        f"(6 738 415 616 weights): **{100 * large / LARGE['checkpoint']:.3f} %** (limit 2 %).",
    ]


def identical(run: Path, patch: Path, scratch: Path) -> str:
    """Whether `apply` gives every file of the run's model back."""
    base = json.loads((run / "run.json").read_text(encoding="utf-8"))["settings"]["model"]
    result = apply_patch(patch, base, scratch / "applied")
    names = sorted(path.relative_to(run / "model") for path in (run / "model").rglob("*") if path.is_file())
    other = [str(name) for name in names if (result / name).read_bytes() != (run / "model" / name).read_bytes()]
    named = f", not {other}" if other else ""
    return f"`apply` on the base: {len(names) - len(other)} of {len(names)} files bit-identical{named}."


def main() -> None:
    """Prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--llama-cpp")
    parser.add_argument("--pre-tokenizer")
    given = parser.parse_args()
    options = {"llama_cpp": given.llama_cpp, "pre_tokenizer": given.pre_tokenizer} if given.llama_cpp else {}
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        lines = table(given.run, scratch, options)
        patch = scratch / "patch" / NAME
        tail = ["", *projection(given.run, patch), "", identical(given.run, patch, scratch)]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft", "safetensors"))
    print("# A run in every format\n\nMade by `benchmarks/exports.py`.\n")
    print(f"{hardware()['cpu']}, Python {platform.python_version()}, {versions}. Each row: written, then loaded by a")
    print("fresh process that knows nothing of the run; limits 1e-4, GGUF f32 1e-3, rounded weights none.\n")
    print("\n".join([*lines, *tail]))


if __name__ == "__main__":
    main()
