"""The plain step is a fair opponent: the engine's losses and gradients, and everything that training does."""

import copy

import pytest
import torch

from tokengraft.config import DistillConfig
from tokengraft.evaluation.plain import plain_losses, plain_optimizer, plain_step
from tokengraft.model import find_tables
from tokengraft.phases.rows import RowsPhase
from tokengraft.phases.texts import training_windows
from tokengraft.training.batches import pair

NEW = slice(300, 330)


@pytest.fixture
def windows(grown, extension, code):
    return training_windows(grown, extension, code, DistillConfig(max_length=60))[:6]


def close(ours, plain):
    return (ours - plain).norm() <= 2e-5 * plain.norm() + 1e-9


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_losses_and_gradients_are_the_engines(grown, extension, windows, temperature):
    phase = RowsPhase(grown, extension, DistillConfig(objective="kl", max_length=60, chunk=7, temperature=temperature))
    loss, parts, _ = phase.step(windows)
    loss.backward()
    model = copy.deepcopy(grown)
    plain_optimizer(model)
    losses = plain_losses(model, pair(windows), 300, 330, temperature)
    assert losses.kl.item() == pytest.approx(parts["kl"].item(), rel=1e-4)
    assert losses.cross_entropy.item() == pytest.approx(parts["cross_entropy"].item(), rel=1e-5)
    tables = find_tables(model)
    by_kl = torch.autograd.grad(losses.kl, tables.input_weight, retain_graph=True)[0][NEW]
    if tables.tied:
        return  # both losses meet in one tensor; tests/phases takes them apart
    assert close(phase.rows.inputs.grad, by_kl)
    by_cost = torch.autograd.grad(losses.cross_entropy, tables.head_weight)[0][NEW]
    assert close(phase.rows.head.grad, by_cost)


def test_a_step_moves_whole_tables_and_shows_the_gradients_first(grown, windows):
    old = copy.deepcopy(grown)
    optimizer = plain_optimizer(grown)
    losses, gradients = plain_step(grown, pair(windows), optimizer, 300, 330)
    assert losses.kl > 0
    assert losses.cross_entropy > 0
    assert gradients.inputs.shape == gradients.head.shape == (30, 32)
    assert gradients.inputs.abs().sum() > 0
    before, after = find_tables(old), find_tables(grown)
    assert not torch.equal(after.head_weight[:300], before.head_weight[:300])
    moved = after.head_weight[NEW] - before.head_weight[NEW]
    # Adam's first step goes by the sign of the gradient.
    clear = gradients.head.abs() > 1e-6
    assert torch.equal(moved[clear].sign(), -gradients.head[clear].sign())
    tables = {id(after.input_weight), id(after.head_weight), id(after.head_bias)}
    for (name, ours), theirs in zip(grown.named_parameters(), old.parameters(), strict=True):
        assert ours.requires_grad == (id(ours) in tables), name
        assert ours.requires_grad or torch.equal(ours, theirs), name


def test_steps_lower_the_losses(grown, windows):
    optimizer = plain_optimizer(grown, rate=1e-2)
    batch = pair(windows)
    first, *_, last = (plain_step(grown, batch, optimizer, 300, 330)[0] for _ in range(8))
    assert last.cross_entropy < first.cross_entropy
