"""Two processes against one: the same losses and weights but for the order of summation."""

import json
import os
import subprocess
import sys

import torch
from safetensors.torch import load_file

TOLERANCE = 1e-3
"""Largest difference of a loss against that loss, and of a tensor's norm against that norm."""

PHASE = {"steps": 4, "tokens_per_step": 400, "max_length": 64, "rate": 1e-3, "checkpoint_every": 2}


def losses(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["cross_entropy"] for row in rows if "cross_entropy" in row]


def test_two_processes_learn_what_one_learns(settings, untied_bfloat16_folder, program, tmp_path):
    config = tmp_path / "run.yaml"
    phases = ["rows", {"phase": "full", **PHASE}, {"phase": "lora", **PHASE}]
    changed = {**settings, "model": str(untied_bfloat16_folder), "phases": phases, "threads": 1}
    changed["distill"] = {**settings["distill"], "steps": 6, "refit_positions": 0}
    config.write_text(json.dumps(changed))
    one, two = tmp_path / "one", tmp_path / "two"
    assert program("expand", config, "--out", one).returncode == 0
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "tokengraft",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [*launch, "expand", str(config), "--out", str(two)],
        env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("page   file://") == 1, "one of them speaks"
    first, second = losses(one), losses(two)
    assert len(first) == len(second) == 14
    assert all(abs(a - b) <= TOLERANCE * a for a, b in zip(first, second, strict=True)), (first, second)
    left, right = (load_file(folder / "model" / "model.safetensors") for folder in (one, two))
    assert left.keys() == right.keys()
    for name, value in left.items():
        gap = torch.linalg.vector_norm(value.float() - right[name].float())
        # Stored in bfloat16: a value at the edge between two neighbours may fall to either side.
        assert gap <= 10 * TOLERANCE * torch.linalg.vector_norm(value.float()), name
