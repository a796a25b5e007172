"""What does the doctor cost on a large model: seconds and memory beside the mapped files?

    python benchmarks/doctor_tables.py [--rows 128256] [--width 4096] [--layers 4]

Writes a model folder of the shape of an 8 B model's tables (untied, bfloat16) in shards of safetensors, with a few
layers' worth of other weights that the doctor has no reason to read, into a temporary folder; runs `tokengraft doctor`
on it in a fresh process and prints processor time, wall time, peak memory, and peak memory without mapped files. The
folder is deleted afterwards. One row is zero and one NaN: the doctor must find both.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

BLOCK = 4096
"""Rows drawn at a time; a shard is whole in memory while it is written, and no more than one is."""


def table(rows, width, bad=()):
    """Rows of a normal distribution in bfloat16; `bad` are (row, value)."""
    whole = torch.empty(rows, width, dtype=torch.bfloat16)
    generator = torch.Generator().manual_seed(rows + width)
    for start in range(0, rows, BLOCK):
        part = whole[start : start + BLOCK]
        part.copy_(torch.randn(part.shape, generator=generator) * 0.02)
    for row, value in bad:
        whole[row] = value
    return whole


def write(folder, rows, width, layers):
    """The folder; each table and each layer is a shard of its own. Bytes of weights."""
    shards = {
        "model.embed_tokens.weight": (rows, width, [(7, 0.0)]),
        "lm_head.weight": (rows, width, [(9, float("nan"))]),
    }
    shards |= {f"model.layers.{number}.mlp.up_proj.weight": (4 * width, width, []) for number in range(layers)}
    weight_map, total = {}, 0
    for number, (name, (height, across, bad)) in enumerate(shards.items(), start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file({name: table(height, across, bad)}, folder / file, metadata={"format": "pt"})
        weight_map[name], total = file, total + 2 * height * across
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": rows, "hidden_size": width,
              "num_hidden_layers": layers, "num_attention_heads": 32, "intermediate_size": 4 * width,
              "tie_word_embeddings": False, "torch_dtype": "bfloat16"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return total


def peaks(pid):
    """Resident bytes of a process: all, and those that are not pages of mapped files; (0, 0) once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return found.get("VmRSS", 0), found.get("RssAnon", 0)


def measure(folder):
    """Codes that the doctor names, processor and wall seconds, and peaks of memory."""
    command = [sys.executable, "-m", "tokengraft", "doctor", str(folder), "--json"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as run:
        most = (0, 0)
        while run.poll() is None:
            most = tuple(map(max, most, peaks(run.pid)))
            time.sleep(0.02)
        printed = run.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    codes = [finding["code"] for finding in json.loads(printed)["findings"]]
    return codes, processor, time.perf_counter() - started, most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=128256)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--layers", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        total = write(folder, given.rows, given.width, given.layers)
        codes, processor, wall, (whole, own) = measure(folder)
    print(
        f"two tables of {given.rows} × {given.width}, {given.layers} other weights, bfloat16, {total / 2**30:.2f} GiB"
    )
    print(f"found: {', '.join(codes)}")
    print(f"{processor:.1f} s of processor time, {wall:.1f} s on the clock, one thread")
    print(f"peak memory {whole / 2**20:.0f} MiB, of which {own / 2**20:.0f} MiB are not pages of mapped files")


if __name__ == "__main__":
    main()
