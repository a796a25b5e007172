"""Two processes against one: the same losses and weights but for the order of summation."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

TOLERANCE = 1e-3
"""Largest difference of a loss against that loss, and of a tensor's norm against that norm."""

PHASE = {"steps": 4, "tokens_per_step": 400, "max_length": 64, "rate": 1e-3, "checkpoint_every": 2}


def losses(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["cross_entropy"] for row in rows if "cross_entropy" in row]


def launched(*arguments):
    """The end of two processes that torchrun started."""
    launch = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tokengraft",
    ]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [*launch, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def require_alike(one, two, steps):
    first, second = losses(one), losses(two)
    assert len(first) == len(second) == steps
    assert all(abs(a - b) <= TOLERANCE * a for a, b in zip(first, second, strict=True)), (first, second)
    left, right = (load_file(folder / "model" / "model.safetensors") for folder in (one, two))
    assert left.keys() == right.keys()
    for name, value in left.items():
        gap = torch.linalg.vector_norm(value.float() - right[name].float())
        # Stored in bfloat16: a value at the edge between two neighbours may fall to either side.
        assert gap <= 10 * TOLERANCE * torch.linalg.vector_norm(value.float()), name


def test_two_processes_learn_what_one_learns(settings, untied_bfloat16_folder, here, tmp_path):
    config = tmp_path / "run.yaml"
    phases = ["rows", {"phase": "full", **PHASE}, {"phase": "lora", **PHASE}]
    changed = {**settings, "model": str(untied_bfloat16_folder), "phases": phases, "threads": 1}
    changed["distill"] = {**settings["distill"], "steps": 6, "refit_positions": 0}
    config.write_text(json.dumps(changed))
    one, two = tmp_path / "one", tmp_path / "two"
    assert here("expand", config, "--out", one).returncode == 0
    done = launched("expand", config, "--out", two)
    assert done.stdout.count("page   file://") == 1, "one of them speaks"
    require_alike(one, two, 14)


def test_frozen_blocks_may_be_spread_over_the_processes(settings, untied_bfloat16_folder, here, tmp_path):
    config = tmp_path / "run.yaml"
    # Three passes a step: of two processes one has a pass more than the other.
    shared = {**PHASE, "shard": True, "accumulation": 3, "evaluate_every": 2}
    phases = [
        "rows", {"phase": "trainable-tokens", **shared}, {"phase": "tables", **shared},
        {"phase": "lora", "gradient_checkpointing": True, **shared},
    ]  # fmt: skip
    changed = {**settings, "model": str(untied_bfloat16_folder), "phases": phases, "threads": 1}
    changed["distill"] = {**settings["distill"], "steps": 4, "refit_positions": 0, "shard": True}
    config.write_text(json.dumps(changed))
    one, two = tmp_path / "one", tmp_path / "two"
    assert here("expand", config, "--out", one).returncode == 0
    launched("expand", config, "--out", two)
    require_alike(one, two, 16)
    held = [
        [part["memory"]["block_bytes"] for part in json.loads((folder / "metrics.json").read_text())["phases"]]
        for folder in (one, two)
    ]
    assert all(half == pytest.approx(whole / 2, rel=0.02) for whole, half in zip(*held, strict=True)), held
