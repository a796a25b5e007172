"""Contract of every objective, and each beside a plain one whose gradient torch derives in double precision."""

import pytest
import torch
from torch.nn import functional as F

from tokengraft.errors import ConfigError
from tokengraft.losses import NO_TARGET, head_objectives, input_objectives

BASE, NEW, POSITIONS = 40, 7, 12


def plain_kl(student, teacher, temperature):
    p, q = (F.softmax(logits / temperature, -1) for logits in (teacher, student))
    return (p * (p.log() - q.log())).sum(-1)


def plain_ce(old, new, targets):
    return F.cross_entropy(torch.cat([old, new], 1), targets, reduction="none", ignore_index=NO_TARGET)


# A new objective is a new line here: without a plain implementation beside it, its contract cannot be tested.
PLAIN_INPUTS = {"kl": plain_kl}
PLAIN_HEADS = {"ce": plain_ce}

each_input = pytest.mark.parametrize("name", input_objectives.names())
each_head = pytest.mark.parametrize("name", head_objectives.names())


def draw(*shape, seed=0, scale=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def close(ours, plain):
    assert ours.dtype == torch.float32
    return torch.allclose(ours.double(), plain, rtol=1e-4, atol=1e-6)


@each_input
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_input_objective_is_its_plain_implementation(name, temperature):
    student, teacher = draw(POSITIONS, BASE), draw(POSITIONS, BASE, seed=1)
    exact = student.double().requires_grad_()
    plain = PLAIN_INPUTS[name](exact, teacher.double(), temperature)
    [slope] = torch.autograd.grad(plain.sum(), exact)
    loss, gradient = input_objectives.get(name)(student.clone(), teacher.clone(), temperature)
    assert loss.shape == (POSITIONS,)
    assert gradient.shape == (POSITIONS, BASE)
    assert close(loss, plain.detach())
    assert close(gradient, slope)


@each_input
def test_input_objective_is_zero_where_both_agree_and_positive_elsewhere(name):
    student = draw(POSITIONS, BASE)
    loss, gradient = input_objectives.get(name)(student.clone(), student.clone(), 1.0)
    assert loss.abs().max() <= 1e-6
    assert gradient.abs().max() <= 1e-6
    loss, gradient = input_objectives.get(name)(student.clone(), draw(POSITIONS, BASE, seed=1), 1.0)
    assert (loss > 0.1).all()
    assert (gradient.abs().amax(1) > 1e-3).all()


@each_input
def test_input_objective_does_not_see_a_shift_of_all_logits(name):
    student, teacher = draw(POSITIONS, BASE), draw(POSITIONS, BASE, seed=1)
    first = input_objectives.get(name)(student.clone(), teacher.clone(), 1.0)
    second = input_objectives.get(name)(student + 4, teacher - 2, 1.0)
    for left, right in zip(first, second, strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-6)


@each_input
@pytest.mark.parametrize("scale", [1e-4, 300.0, 1e4])
def test_input_objective_is_finite_for_extreme_logits(name, scale):
    student, teacher = draw(POSITIONS, BASE, scale=scale), draw(POSITIONS, BASE, seed=1, scale=scale)
    for value in input_objectives.get(name)(student, teacher, 1.0):
        assert value.isfinite().all()


def targets():
    """Old ids, new ids and positions without a target, each several times."""
    return torch.tensor([0, BASE - 1, 5, BASE, BASE + NEW - 1, NO_TARGET, BASE + 3, NO_TARGET, 17, BASE, 1, BASE + 1])


@each_head
def test_head_objective_is_its_plain_implementation(name):
    old, new = draw(POSITIONS, BASE), draw(POSITIONS, NEW, seed=1)
    exact = new.double().requires_grad_()
    plain = PLAIN_HEADS[name](old.double(), exact, targets())
    [slope] = torch.autograd.grad(plain.sum(), exact)
    loss, gradient = head_objectives.get(name)(old.clone(), new.clone(), targets())
    assert loss.shape == (POSITIONS,)
    assert gradient.shape == (POSITIONS, NEW)
    assert close(loss, plain.detach())
    assert close(gradient, slope)


@each_head
def test_head_objective_is_zero_where_there_is_no_target(name):
    loss, gradient = head_objectives.get(name)(draw(POSITIONS, BASE), draw(POSITIONS, NEW, seed=1), targets())
    without = targets() == NO_TARGET
    assert without.sum() == 2
    assert not loss[without].any()
    assert not gradient[without].any()
    assert (loss[~without] > 0).all()


@each_head
def test_head_objective_leaves_the_old_logits_alone(name):
    """They are handed on to the input objective."""
    old = draw(POSITIONS, BASE)
    kept = old.clone()
    head_objectives.get(name)(old, draw(POSITIONS, NEW, seed=1), targets())
    assert torch.equal(old, kept)


@each_head
@pytest.mark.parametrize("new", [1, 2])
@pytest.mark.parametrize("scale", [300.0, 1e4])
def test_head_objective_is_finite_for_extreme_logits_and_few_tokens(name, new, scale):
    old, logits = draw(POSITIONS, BASE, scale=scale), draw(POSITIONS, new, seed=1, scale=scale)
    for value in head_objectives.get(name)(old, logits, targets().clamp_max(BASE + new - 1)):
        assert value.isfinite().all()


def test_no_positions_have_no_loss():
    for name in input_objectives.names():
        loss, gradient = input_objectives.get(name)(torch.zeros(0, BASE), torch.zeros(0, BASE), 1.0)
        assert (loss.shape, gradient.shape) == ((0,), (0, BASE))
    for name in head_objectives.names():
        nowhere = torch.zeros(0, dtype=torch.long)
        loss, gradient = head_objectives.get(name)(torch.zeros(0, BASE), torch.zeros(0, NEW), nowhere)
        assert (loss.shape, gradient.shape) == ((0,), (0, NEW))


def test_an_unknown_objective_is_refused_with_a_near_name():
    with pytest.raises(ConfigError, match="did you mean 'kl'"):
        input_objectives.get("kll")
    with pytest.raises(ConfigError, match="head objective 'cee'"):
        head_objectives.get("cee")
