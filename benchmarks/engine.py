"""How fast, how small and how good is a step of the engine against the plain way?

    python benchmarks/engine.py speed      milliseconds a position, way by way, in turn
    python benchmarks/engine.py memory     peak memory of a step in a fresh process, beside the arithmetic
    python benchmarks/engine.py quality    held-out KL against seconds, ours and Token Distillation's
    python benchmarks/engine.py refit      the head: by steps, by the closing fit, by both; held-out cross-entropy
    python benchmarks/engine.py project    the arithmetic for 8 B parameters and 128 256 tokens

`--write` keeps the table as `engine-<part>.<hardware>.<date>.md` beside this file.
"""

import argparse
import datetime
import os
import re
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from engine_parts import memory, quality, refit, speed
from engine_parts.material import Extension, llama

from study import DATA, STORIES, write_stories
from tokengraft.artifacts import hardware, versions
from tokengraft.bundled import demo_settings
from tokengraft.config import RunConfig
from tokengraft.model.activations import Shape, chunk_bytes

HERE = Path(__file__).parent
MIB = 2**20
DOCUMENTS = 8
"""Of a batch for the speed: 3 600 to 3 900 base tokens of the 4 096 that a step has by default."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--ways", nargs="*", default=list(quality.OURS), help="which of ours, for quality")
    parser.add_argument("--models", nargs="*", default=["bundled", "stories"], help="and abstracts, for quality")
    parser.add_argument("--abstracts", type=Path, help="folder in which abstracts_model.py trained that model")
    parser.add_argument("--write", action="store_true", help="keep the result as a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = heading(arguments.part) + PARTS[arguments.part](arguments)
    print(text)
    if arguments.write:
        name = re.sub(r"\W+", "-", f"{hardware()['cpu']}-{hardware()['cores']}-cores").lower()
        (HERE / f"engine-{arguments.part}.{name}.{datetime.date.today()}.md").write_text(text)


def heading(part):
    machine, found = hardware(), versions()
    return f"""# The engine: {part}

{machine["cpu"]}, {machine["cores"]} shared cores, {machine["memory_gib"]} GiB, {torch.get_num_threads()} torch thread;
torch {found["torch"]}, transformers {found["transformers"]}, Python {found["python"]}.
`python benchmarks/engine.py {part}`.

"""


def speed_table(arguments):
    """Documents with a new token every 100 ids (a word list of a domain) and every 20 (a vocabulary of 1 000)."""
    parts = []
    for every, rows in ((100, 1000), (20, 1000)):
        extension = Extension(32_000, rows)
        batch = extension.documents(DOCUMENTS, every=every)
        useful = sum(len(window.student) - window.first_new for window in batch)
        before = sum(window.first_new for window in batch)
        found = {}
        for dtype in (torch.float32, torch.bfloat16):
            found |= speed.ways(llama(), extension, batch, dtype=dtype)
        times = speed.timed(found, [batch], rounds=arguments.rounds)
        plain = speed.table(times, useful, "plain, float32")
        narrow = speed.table(times, useful, "plain, bfloat16")
        lines = [
            f"| {row['way']} | {row['ms']:.2f} | {row['ratio']:.2f} | {other['ratio']:.2f} |"
            for row, other in zip(plain, narrow, strict=True)
        ]
        parts.append(
            f"A new token every {every} ids, {DOCUMENTS} documents: {useful} compared positions, {before} before a "
            f"first new token. Llama of d 512, 8 layers, V 32 000, random weights, {rows} new tokens; "
            f"{arguments.rounds} rounds in turn, medians.\n\n"
            "| way | ms a compared position | times plain, float32 | times plain, bfloat16 |\n|---|---|---|---|\n"
            + "\n".join(lines) + "\n"
        )  # fmt: skip
        print(parts[-1], file=sys.stderr)  # a part takes minutes: what is there can be read at once
    return "\n".join(parts)


def memory_table(_):
    # Freed blocks go back to the system: resident memory of the measured processes is then what is in use.
    os.environ.update(MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")
    rows = "\n".join(
        f"| {row['windows']} | {row['new']} | {row['way']} | {row['tensors'] / MIB:.0f} | "
        + (" | " if row["must"] is None else f"{row['must'] / MIB:.0f} | {row['tensors'] / row['must']:.2f}")
        + f" | {row['peak'] / MIB:.0f} |"
        for row in memory.measured()
    )
    return (
        "Peak of two steps on documents of about 300 ids, in MiB, beside the weights; bfloat16, Llama of d 512, "
        "8 layers, V 32 000. What it must be: what autograd keeps of the student's tokens (8d + 4d + 4 d_kv + 6 d_ff "
        "bytes each and layer; checkpointed, 2d and one layer in full), one chunk of logits, n×d numbers. Tensors are "
        "torch's own count; the process is resident memory, with what the allocator and the libraries hold besides.\n\n"
        "| documents | new tokens | way | tensors | must be | ratio | process |\n|---|---|---|---|---|---|---|\n"
        + rows + "\n"
    )  # fmt: skip


def quality_table(arguments):
    """The bundled model on the demo's domain, stories260K on text that it wrote (`study.py`), and a third model."""
    with TemporaryDirectory() as folder:
        cases = {
            "bundled": ("Bundled model, the demo's domain", lambda: None),
            "stories": ("stories260K, text of its own", lambda: _stories(Path(folder))),
            "abstracts": ("A tied model of 4 096 tokens, its own domain", lambda: _abstracts(arguments.abstracts)),
        }
        chosen = [cases[name] for name in arguments.models]
        return "\n".join(f"### {name}\n\n" + _quality_of(quality.Material(of()), arguments) for name, of in chosen)


def _stories(folder):
    """A tied model of 512 tokens on text that it wrote itself: its teacher is as good as one can be."""
    corpus = folder / "stories.jsonl"
    write_stories(corpus, DATA / STORIES)
    settings = demo_settings() | {"model": str(DATA / STORIES), "corpus": {"path": str(corpus)}, "init": {}}
    return RunConfig.from_dict(settings | {"tokens": {"size": 200}, "distill": {"max_length": 128}})


def _abstracts(folder):
    settings = demo_settings() | {"model": str(folder), "corpus": {"path": str(folder / "domain.jsonl")}, "init": {}}
    return RunConfig.from_dict(settings | {"tokens": {"size": 400}, "distill": {"max_length": 128}})


def _quality_of(material, arguments):
    (rate, cut), finals = quality.best_way(material, steps=arguments.steps)
    curves = {name: [] for name in ("Token Distillation, the plain way", *arguments.ways)}
    for seed in range(arguments.seeds):
        curves["Token Distillation, the plain way"].append(
            quality.token_distillation(material, steps=arguments.steps, seed=seed, rate=rate, parts=cut)
        )
        for name in arguments.ways:
            curves[name].append(quality.ours(material, steps=arguments.steps, seed=seed, **quality.OURS[name]))
    targets = [curve[-1][2] for curve in curves["Token Distillation, the plain way"]]
    times = [curve[-1][1] for curve in curves["Token Distillation, the plain way"]]
    lines = []
    for name, own in curves.items():
        reached = [quality.seconds_to(curve, target) for curve, target in zip(own, targets, strict=True)]
        share = [None if seconds is None else seconds / whole for seconds, whole in zip(reached, times, strict=True)]
        known = [value for value in share if value is not None]
        lines.append(
            f"| {name} | {statistics.mean(curve[-1][2] for curve in own):.4f} | "
            f"{statistics.median(curve[-1][1] for curve in own):.1f} | "
            + (f"{statistics.median(known):.2f} ({len(known)} of {len(share)} seeds)" if known else "never")
            + " |"
        )
    size = material.settings.tokens_per_step
    tried = ", ".join(f"{rate:g} in steps of {size // cut}: {final:.4f}" for (rate, cut), final in finals.items())
    return (
        f"{len(material.windows)} windows, {arguments.steps} steps of 2 048 base tokens where nothing else is said, "
        f"{arguments.seeds} seeds; CPU seconds of this process, looks at the held-out KL left out. Input rows alone: "
        f"heads rest. Token Distillation in {arguments.steps * cut} steps of {size // cut} at a rate of {rate:g} "
        f"of the table's entry size, its best (final KL of the first seed: {tried})."
        "\n\n| way | held-out KL at the end | CPU seconds | share of Token Distillation's time until its final KL |\n"
        "|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )


def refit_table(arguments):
    material = quality.Material()
    found = list(refit.measured(material, steps=arguments.steps, seeds=arguments.seeds))
    lines = []
    for way in refit.WAYS:
        own = [row for row in found if row["way"] == way]
        losses = [row["loss"] for row in own]
        spread = statistics.stdev(losses) if len(losses) > 1 else 0.0
        seconds = " | ".join(f"{statistics.median(row[part] for row in own):.1f}" for part in ("seconds", "fit"))
        lines.append(f"| {way} | {statistics.mean(losses):.4f} | {spread:.4f} | {seconds} |")
    return (
        f"Bundled model, the demo's domain, {arguments.steps} steps of 2 048 base tokens, {arguments.seeds} seeds; "
        f"the fit on up to {refit.POSITIONS} positions of the same windows. {len(material.heldout)} held-out windows, "
        "domain text as it comes, no replay text.\n\n| head taught by | held-out cross-entropy, nats a token | "
        "deviation | CPU seconds in all | seconds of the fit by the clock |\n|---|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )


def projection(_):
    """8 B: d 4 096, 32 layers, 8 key-value heads of 128, d_ff 14 336, V 128 256."""
    shape = Shape(4096, 1024, 14336, 32, 2)
    tokens, new, vocabulary = 1000, 1000, 128_256
    weights = 2 * 8.03e9
    chunk = chunk_bytes(vocabulary, 128)
    rows = 2 * new * shape.width * 4 * 4
    lines = []
    for name, checkpointing in (("engine", False), ("engine, checkpointed", True)):
        kept = tokens * shape.bytes_per_token(checkpointing=checkpointing)
        total = weights + kept + chunk + rows
        figures = " | ".join(f"{value / 2**30:.2f}" for value in (weights, kept, chunk, rows, total))
        lines.append(f"| {name} | {figures} |")
    return (
        f"By arithmetic, one sequence of {tokens} tokens, {new} new tokens, V {vocabulary}, bfloat16 weights; GiB.\n\n"
        "| way | weights | kept by autograd | logits of a chunk | rows, gradients, moments | in all |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )


PARTS = {
    "speed": speed_table,
    "memory": memory_table,
    "quality": quality_table,
    "refit": refit_table,
    "project": projection,
}

if __name__ == "__main__":
    main()
