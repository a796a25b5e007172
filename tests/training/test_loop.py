"""Schedule, checkpoints and the loop: what is kept, what is refused, what a stop costs."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from tokengraft.errors import ModelError, RunFolderError
from tokengraft.training.checkpoint import load_checkpoint, save_checkpoint
from tokengraft.training.loop import Journal, Plan, run_phase
from tokengraft.training.schedule import rate_factor

shares = st.floats(0, 1)


@given(st.integers(1, 500), shares, shares)
def test_rates_lie_above_zero_and_at_most_at_the_full_rate(steps, warmup, decay):
    factors = [rate_factor(step, steps, warmup, decay) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)


@given(st.integers(1, 500), shares, shares)
def test_rates_rise_and_then_fall(steps, warmup, decay):
    factors = [rate_factor(step, steps, warmup, decay) for step in range(steps)]
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)


def test_rates_reach_the_full_rate_and_end_low():
    factors = [rate_factor(step, 100, 0.05, 0.5) for step in range(100)]
    assert factors.count(1.0) == 47
    assert factors[0] == pytest.approx(0.2)
    assert factors[-1] == pytest.approx(0.02)
    assert rate_factor(0, 10, 0, 0) == rate_factor(9, 10, 0, 0) == 1


class Rows(nn.Module):
    def __init__(self, rows=5, width=3, seed=0):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.inputs = nn.Parameter(torch.randn(rows, width, generator=draw))
        self.head = nn.Parameter(torch.randn(rows, width, generator=draw))

    def optimizers(self):
        return [torch.optim.Adam([self.inputs], lr=0.1), torch.optim.Adam([self.head], lr=0.01)]


def step_of(module):
    """Each batch is a factor of a loss that both tables have a gradient of."""

    def step(batch):
        loss = ((module.inputs * batch).sin().sum() + (module.head - batch).square().sum()) / 10
        return loss, {"loss": loss.detach()}, 7

    return step


def batches(step):
    return (1.0 + index % 3 for index in range(step, 10_000))


def train(module, steps, journal=None, optimizers=None, **plan):
    chosen = optimizers or module.optimizers()
    settings = {"checkpoint_every": 4, **plan}
    return run_phase(module, chosen, batches, step_of(module), Plan(steps, **settings), journal or Journal())


def same(left, right):
    return all(
        torch.equal(one, other) for one, other in zip(left.parameters(), right.parameters(), strict=True)
    )  # fmt: skip


def test_a_checkpoint_gives_back_everything(tmp_path):
    module = Rows()
    optimizers = module.optimizers()
    train(module, 3, optimizers=optimizers)
    save_checkpoint(tmp_path / "c.safetensors", module, optimizers, 3)
    other = Rows(seed=1)
    others = other.optimizers()
    assert load_checkpoint(tmp_path / "c.safetensors", other, others) == 3
    assert same(module, other)
    for one, again in zip(optimizers, others, strict=True):
        state, found = one.state_dict()["state"], again.state_dict()["state"]
        assert state.keys() == found.keys() == {0}
        assert state[0].keys() == found[0].keys() == {"step", "exp_avg", "exp_avg_sq"}
        for name, value in state[0].items():
            assert torch.equal(value, found[0][name])
            assert value.dtype == found[0][name].dtype
        assert one.param_groups[0]["lr"] == again.param_groups[0]["lr"]


def test_no_checkpoint_changes_nothing(tmp_path):
    module = Rows()
    before = copy.deepcopy(module)
    assert load_checkpoint(tmp_path / "none.safetensors", module, module.optimizers()) == 0
    assert same(module, before)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of five rows after three steps."""
    module = Rows()
    optimizers = module.optimizers()
    train(module, 3, optimizers=optimizers)
    save_checkpoint(tmp_path / "c.safetensors", module, optimizers, 3)
    return tmp_path / "c.safetensors"


@pytest.mark.parametrize("keep", [0, 4, 30, -10])
def test_a_truncated_checkpoint_is_refused(checkpoint, keep):
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(RunFolderError, match="delete that file"):
        load_checkpoint(checkpoint, Rows(), Rows().optimizers())


@pytest.mark.parametrize(("rows", "width"), [(4, 3), (5, 2), (6, 3)])
def test_a_checkpoint_of_other_shapes_is_refused(checkpoint, rows, width):
    module = Rows(rows, width)
    with pytest.raises(RunFolderError, match="cannot be taken up"):
        load_checkpoint(checkpoint, module, module.optimizers())


def test_a_checkpoint_of_one_row_is_not_spread_over_many(tmp_path):
    """`copy_` broadcasts: one row would silently become all of them."""
    single = Rows(1)
    save_checkpoint(tmp_path / "c.safetensors", single, single.optimizers(), 3)
    module = Rows()
    before = copy.deepcopy(module)
    with pytest.raises(RunFolderError, match="cannot be taken up"):
        load_checkpoint(tmp_path / "c.safetensors", module, module.optimizers())
    assert same(module, before)


def test_a_refused_checkpoint_changes_nothing(checkpoint):
    """The first table fits and the second does not: neither is taken."""
    module = Rows()
    module.head = nn.Parameter(torch.zeros(4, 3))
    before = copy.deepcopy(module)
    with pytest.raises(RunFolderError):
        load_checkpoint(checkpoint, module, module.optimizers())
    assert same(module, before)


@pytest.mark.parametrize("lost", ["parameters.head", "step"])
def test_a_checkpoint_that_lacks_something_is_refused(checkpoint, lost):
    tensors = load_file(checkpoint)
    save_file(
        {name: value for name, value in tensors.items() if name != lost},
        checkpoint,
        {} if lost == "step" else {"step": "3"},
    )
    with pytest.raises(RunFolderError):
        load_checkpoint(checkpoint, Rows(), Rows().optimizers())


@pytest.mark.parametrize("stop", [4, 8])
def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, stop):
    whole, parts = Rows(), Rows()
    train(whole, 10)
    journal = Journal(tmp_path / "c.safetensors")

    def stopped(step):
        return (1.0 + index % 3 for index in range(step, stop))

    with pytest.raises(StopIteration):
        run_phase(parts, parts.optimizers(), stopped, step_of(parts), Plan(10, checkpoint_every=4), journal)
    begun = []
    fresh = Rows(seed=1)
    outcome = train(fresh, 10, Journal(journal.checkpoint, rewind=begun.append))
    assert begun == [stop]
    assert same(fresh, whole)
    assert outcome.steps == 10
    assert len(outcome.losses) == 10 - stop


def test_a_finished_run_does_nothing_more(tmp_path):
    journal = Journal(tmp_path / "c.safetensors")
    module = Rows()
    train(module, 6, journal)
    before, stamp = copy.deepcopy(module), journal.checkpoint.read_bytes()
    outcome = train(Rows(seed=1), 6, journal)
    assert outcome.losses == []
    assert journal.checkpoint.read_bytes() == stamp
    assert same(module, before)


def test_the_log_has_every_step_and_its_rate(tmp_path):
    rows = []
    journal = Journal(tmp_path / "c.safetensors", log=lambda event, **values: rows.append((event, values)))
    module = Rows()
    outcome = train(module, 6, journal, warmup=0.5)
    assert [values["step"] for _, values in rows] == [1, 2, 3, 4, 5, 6]
    assert {event for event, _ in rows} == {"step"}
    assert [values["rate"] for _, values in rows] == [round(rate_factor(step, 6, 0.5, 0.5), 6) for step in range(6)]
    assert [{"loss": values["loss"]} for _, values in rows] == outcome.losses
    assert outcome.tokens == 42


def test_full_rates_are_put_back():
    module = Rows()
    optimizers = module.optimizers()
    train(module, 5, optimizers=optimizers)
    assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == [0.1, 0.01]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path, bad):
    journal = Journal(tmp_path / "c.safetensors")

    def spoiled(step):
        return (bad if index == 6 else 1.0 + index % 3 for index in range(step, 100))

    module = Rows()
    with pytest.raises(ModelError, match="not finite at step 7"):
        run_phase(module, module.optimizers(), spoiled, step_of(module), Plan(10, checkpoint_every=4), journal)
    assert all(parameter.isfinite().all() for parameter in module.parameters()), "the step was not taken"
    reference = Rows()
    run_phase(reference, reference.optimizers(), batches, step_of(reference), Plan(10, checkpoint_every=4),
              Journal(tmp_path / "reference.safetensors"))  # fmt: skip
    kept = Rows(seed=1)
    assert load_checkpoint(journal.checkpoint, kept, kept.optimizers()) == 4
    assert all(parameter.isfinite().all() for parameter in kept.parameters())
    train(module, 10, journal)
    assert same(module, reference), "what was kept is what the run would have been"
