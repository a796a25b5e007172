"""Checkpoints that belong elsewhere, the last few kept, weights that are not finite, launches that are refused."""

import pytest
import torch
from torch import nn

from tokengraft.errors import DeviceError, ModelError, RunFolderError
from tokengraft.training import processes
from tokengraft.training.checkpoint import checkpoint_step, load_checkpoint, remove_checkpoints, save_checkpoint
from tokengraft.training.guards import refuse_zero_division, require_finite_rows
from tokengraft.training.loop import Journal, Plan, run_phase


class Rows(nn.Module):
    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.inputs = nn.Parameter(torch.ones(6, 3, dtype=dtype))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path, module = tmp_path / "c.safetensors", Rows()
    save_checkpoint(path, module, [], 3, identity="Llama with the tokenizer abc, lora")
    with pytest.raises(RunFolderError, match="belongs to Llama with the tokenizer abc"):
        load_checkpoint(path, module, [], "Llama with the tokenizer xyz, lora")
    assert load_checkpoint(path, module, [], "Llama with the tokenizer abc, lora") == 3


def test_the_last_k_are_kept(tmp_path):
    path, module = tmp_path / "checkpoint.safetensors", Rows()
    optimizer = torch.optim.AdamW(module.parameters())

    def step(_):
        return module.inputs.square().sum(), {"loss": torch.tensor(1.0)}, 1

    plan = Plan(9, checkpoint_every=2, keep=3)
    run_phase(module, [optimizer], lambda begin: iter(range(begin, 99)), step, plan, Journal(path))
    assert sorted(checkpoint_step(file) for file in tmp_path.iterdir()) == [6, 8, 9]
    assert checkpoint_step(path) == 9
    remove_checkpoints(path)
    assert not list(tmp_path.iterdir())


def test_checkpoints_by_the_clock(tmp_path):
    path, module = tmp_path / "checkpoint.safetensors", Rows()
    seen = []

    def step(_):
        seen.append(path.exists())
        return module.inputs.square().sum(), {"loss": torch.tensor(1.0)}, 1

    plan = Plan(3, checkpoint_every=100, checkpoint_minutes=1e-9)
    run_phase(module, [torch.optim.AdamW(module.parameters())], lambda b: iter(range(b, 9)), step, plan, Journal(path))
    assert seen == [False, True, True]


def test_rows_that_are_not_finite_are_named():
    module = Rows()
    with torch.no_grad():
        module.inputs[[1, 4]] = float("nan")
    with pytest.raises(ModelError, match="after step 7: inputs, rows 1, 4"):
        require_finite_rows(module, "step 7")


def test_a_step_that_spoils_rows_names_step_and_batch_and_keeps_the_checkpoint(tmp_path):
    module, path = Rows(), tmp_path / "c.safetensors"

    def step(batch):
        return module.inputs.sum() * (1e38 if batch == 5 else 1), {"loss": torch.tensor(1.0)}, 1

    optimizer = torch.optim.SGD(module.parameters(), lr=1e3)
    journal = Journal(path, describe=lambda batch: f"number {batch}")
    with pytest.raises(ModelError, match="step 6, batch number 5"):
        run_phase(module, [optimizer], lambda b: iter(range(b, 99)), step, Plan(9, checkpoint_every=2), journal)
    fresh = Rows()
    assert load_checkpoint(path, fresh, [torch.optim.SGD(fresh.parameters())]) == 4
    assert fresh.inputs.isfinite().all()


def test_half_precision_and_an_eps_that_is_zero():
    half = Rows(torch.float16)
    with pytest.raises(ModelError, match="0 in float16"):
        refuse_zero_division(torch.optim.AdamW(half.parameters()))
    refuse_zero_division(torch.optim.AdamW(half.parameters(), eps=1e-4))
    refuse_zero_division(torch.optim.AdamW(Rows(torch.bfloat16).parameters()))


def test_sharded_launches_are_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    with pytest.raises(DeviceError, match="transformers#41959"):
        processes.begin()
    monkeypatch.delenv("ACCELERATE_USE_DEEPSPEED")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(DeviceError, match="plain data parallelism"):
        processes.begin()
