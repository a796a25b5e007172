"""How much faster and smaller is a step of phase 1 than the plain way?

Steps of both on the same batches of the demo, in turn, so that a machine that slows down slows both; medians and their
ratio. Memory is that of a fresh process each. `python benchmarks/rows_step.py` prints the table; `--write` keeps it as
`rows_step.<hardware>.<date>.md` beside this file.
"""

import argparse
import copy
import datetime
import re
import statistics
import time
from itertools import islice
from pathlib import Path

import torch

from tokengraft.artifacts import hardware, versions
from tokengraft.bundled import demo_settings
from tokengraft.config import RunConfig
from tokengraft.corpus import stream_part
from tokengraft.corpus.sample import sample
from tokengraft.evaluation.plain import plain_optimizer, plain_step
from tokengraft.evaluation.step_memory import Case, compare_memory
from tokengraft.init import initialise
from tokengraft.model import grow, load_model
from tokengraft.phases import training_windows
from tokengraft.phases.rows import RowsPhase
from tokengraft.tokenizer import TokenizerFile, extend_tokenizer
from tokengraft.training.batches import batches_from, pair

ROUNDS = 15
WARM_UP = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the result as a file")
    write = parser.parse_args().write
    config = RunConfig.from_dict(demo_settings())
    base = TokenizerFile.load(config.model)
    extension = extend_tokenizer(base, stream_part(config.corpus, config.shares, "tokens"), config.tokens.size)
    model = initialised(config, extension)
    documents = sample(stream_part(config.corpus, config.shares, "training"), 500_000, config.seed)
    windows = training_windows(model, extension, [document.text for document in documents], config.distill)
    batches = list(islice(batches_from(windows, config.distill.tokens_per_step, 0, 0), ROUNDS + WARM_UP))
    times = measure(model, extension, config, batches)
    memory = compare_memory(
        Case(config.model, "cpu", "float32", False, extension.base_size, extension.size, batches[0], config.distill)
    )
    text = table(times, memory)
    print(text)
    if write:
        name = re.sub(r"\W+", "-", f"{hardware()['cpu']}-{hardware()['cores']}-cores").lower()
        Path(__file__).with_name(f"rows_step.{name}.{datetime.date.today()}.md").write_text(text)


def initialised(config, extension):
    model = grow(load_model(config.model), extension)
    initialise(model, extension)
    return model


def measure(model, extension, config, batches):
    """Seconds of each way by round; a round is one step of each on the same batch."""
    phase = RowsPhase(model, extension, config.distill)
    optimizers = phase.optimizers()
    plain = copy.deepcopy(model)
    optimizer = plain_optimizer(plain)

    def engine_step(windows):
        phase.step(windows)[0].backward()
        for each in optimizers:
            each.step()
            each.zero_grad(set_to_none=True)

    ways = {
        "engine": engine_step,
        "plain": lambda windows: plain_step(
            plain, pair(windows), optimizer, extension.base_size, extension.size, config.distill.temperature
        ),
    }
    times = {name: [] for name in ways}
    for number, windows in enumerate(batches):
        for name, step in ways.items():
            begun = time.perf_counter()
            step(windows)
            if number >= WARM_UP:
                times[name].append(time.perf_counter() - begun)
    return times


def table(times, memory):
    engine, plain = (statistics.median(times[name]) for name in ("engine", "plain"))
    ratio = statistics.median(p / e for p, e in zip(times["plain"], times["engine"], strict=True))
    machine, found = hardware(), versions()
    return f"""# A step of phase 1 against the plain way

{machine["cpu"]}, {machine["cores"]} shared cores, {machine["memory_gib"]} GiB, {torch.get_num_threads()} torch threads;
torch {found["torch"]}, transformers {found["transformers"]}, Python {found["python"]}. Bundled model (4.5 million
parameters, 3 072 + 800 tokens), float32, {ROUNDS} rounds after {WARM_UP} to warm up, in turn.

| | plain | engine | ratio |
|---|---|---|---|
| median seconds a step | {plain:.3f} | {engine:.3f} | {ratio:.2f} (median of the rounds' ratios) |
| peak memory of the steps, MiB | {memory.plain.step / 2**20:.0f} | {memory.engine.step / 2**20:.0f} | \
{memory.plain.step / memory.engine.step:.2f} |

Memory: {memory.how}, less what the process held before.
"""


if __name__ == "__main__":
    main()
