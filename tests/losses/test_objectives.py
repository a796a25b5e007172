"""Contract of every objective, and each beside a plain one whose gradient torch derives in double precision."""

import pytest
import torch
from torch.nn import functional as F

from tokengraft.errors import ConfigError
from tokengraft.losses import (
    NO_TARGET,
    TEACHER,
    HeadChunk,
    InputChunk,
    head_objectives,
    input_objectives,
    state_objectives,
)

BASE, NEW, POSITIONS = 40, 7, 12


def plain_kl(old, new, teacher, _, temperature):
    p, q = (F.softmax(logits / temperature, -1) for logits in (teacher, old))
    return (p * (p.log() - q.log())).sum(-1) + 0 * new.sum()


def plain_input_ce(old, new, _, targets, __):
    return F.cross_entropy(torch.cat([old, new], 1), targets, reduction="none", ignore_index=NO_TARGET)


def plain_ce(old, new, targets, _):
    return F.cross_entropy(torch.cat([old, new], 1), targets, reduction="none", ignore_index=NO_TARGET)


def plain_chain_rule(old, new, targets, soft):
    """Cross-entropy with soft targets over old and new tokens."""
    log_p = torch.cat([old, new], 1).log_softmax(1)
    return -(soft * log_p).sum(1) * (targets >= 0)


def plain_mse(student, teacher):
    return ((student - teacher) ** 2).mean(1)


def plain_cosine(student, teacher):
    return 1 - (student * teacher).sum(1) / student.norm(dim=1) / teacher.norm(dim=1)


# A new objective is a new line here: without a plain implementation beside it, its contract cannot be tested.
PLAIN_INPUTS = {"kl": plain_kl, "ce": plain_input_ce}
PLAIN_HEADS = {"ce": plain_ce, "chain-rule": plain_chain_rule}
PLAIN_STATES = {"hidden-mse": plain_mse, "hidden-cosine": plain_cosine}

each_input = pytest.mark.parametrize("name", input_objectives.names())
each_taught = pytest.mark.parametrize("name", [entry.name for entry in input_objectives if TEACHER in entry.needs])
each_head = pytest.mark.parametrize("name", head_objectives.names())
each_state = pytest.mark.parametrize("name", state_objectives.names())


def draw(*shape, seed=0, scale=3.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def close(ours, plain):
    assert ours.dtype == torch.float32
    return torch.allclose(ours.double(), plain, rtol=1e-4, atol=1e-6)


def targets():
    """Old ids, new ids and positions without a target, each several times."""
    return torch.tensor([0, BASE - 1, 5, BASE, BASE + NEW - 1, NO_TARGET, BASE + 3, NO_TARGET, 17, BASE, 1, BASE + 1])


def of_inputs(name, old, teacher, temperature=1.0, new=None, ids=None):
    """(loss, gradient at the old logits, gradient at the new ones or zeros)."""
    new = draw(len(old), NEW, seed=2) if new is None else new
    ids = targets()[: len(old)] if ids is None else ids
    loss, at_old, at_new = input_objectives.get(name)(
        InputChunk(old.clone(), new.clone(), teacher.clone(), ids, temperature)
    )
    return loss, at_old, torch.zeros_like(new) if at_new is None else at_new


@each_input
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_input_objective_is_its_plain_implementation(name, temperature):
    student, teacher, new = draw(POSITIONS, BASE), draw(POSITIONS, BASE, seed=1), draw(POSITIONS, NEW, seed=2)
    exact = [student.double().requires_grad_(), new.double().requires_grad_()]
    plain = PLAIN_INPUTS[name](*exact, teacher.double(), targets(), temperature)
    slopes = torch.autograd.grad(plain.sum(), exact)
    loss, *gradients = of_inputs(name, student, teacher, temperature)
    assert loss.shape == (POSITIONS,)
    assert close(loss, plain.detach())
    for gradient, slope in zip(gradients, slopes, strict=True):
        assert close(gradient, slope)


@each_taught
def test_objective_with_a_teacher_is_zero_where_both_agree_and_positive_elsewhere(name):
    student = draw(POSITIONS, BASE)
    loss, gradient, _ = of_inputs(name, student, student)
    assert loss.abs().max() <= 1e-6
    assert gradient.abs().max() <= 1e-6
    loss, gradient, _ = of_inputs(name, student, draw(POSITIONS, BASE, seed=1))
    assert (loss > 0.1).all()
    assert (gradient.abs().amax(1) > 1e-3).all()


@each_input
def test_input_objective_does_not_see_a_shift_of_all_logits(name):
    student, teacher, new = draw(POSITIONS, BASE), draw(POSITIONS, BASE, seed=1), draw(POSITIONS, NEW, seed=2)
    first = of_inputs(name, student, teacher, new=new)
    second = of_inputs(name, student + 4, teacher - 2, new=new + 4)
    for left, right in zip(first, second, strict=True):
        assert torch.allclose(left, right, rtol=1e-4, atol=1e-5)


@each_input
@pytest.mark.parametrize("scale", [1e-4, 300.0, 1e4])
def test_input_objective_is_finite_for_extreme_logits(name, scale):
    student, teacher = draw(POSITIONS, BASE, scale=scale), draw(POSITIONS, BASE, seed=1, scale=scale)
    for value in of_inputs(name, student, teacher, new=draw(POSITIONS, NEW, seed=2, scale=scale)):
        assert value.isfinite().all()


@each_state
def test_state_objective_is_its_plain_implementation(name):
    student, teacher = draw(POSITIONS, 16), draw(POSITIONS, 16, seed=1)
    exact, ours = student.double().requires_grad_(), student.clone().requires_grad_()
    plain = PLAIN_STATES[name](exact, teacher.double())
    loss = state_objectives.get(name)(ours, teacher)
    [slope], [gradient] = torch.autograd.grad(plain.sum(), exact), torch.autograd.grad(loss.sum(), ours)
    assert close(loss.detach(), plain.detach())
    assert close(gradient, slope)
    same = state_objectives.get(name)(teacher, teacher)
    assert same.abs().max() <= 1e-6
    assert state_objectives.get(name)(student.bfloat16(), teacher.bfloat16()).dtype == torch.float32


def soft_targets(old):
    """Probabilities over old and new tokens, and what a chunk is given of them."""
    q = draw(POSITIONS, BASE + NEW, seed=5).softmax(1)
    return q, q[:, BASE:].clone(), (q[:, :BASE] * old).sum(1)


def of_head(name, old, new, ids=None):
    q, soft, soft_old = soft_targets(old[:POSITIONS]) if len(old) == POSITIONS else (None, None, None)
    if soft is not None:
        soft = soft[:, : new.shape[1]]
    return q, head_objectives.get(name)(HeadChunk(old, new, targets() if ids is None else ids, soft, soft_old))


@each_head
def test_head_objective_is_its_plain_implementation(name):
    old, new = draw(POSITIONS, BASE), draw(POSITIONS, NEW, seed=1)
    exact = new.double().requires_grad_()
    q, (loss, gradient) = of_head(name, old.clone(), new.clone())
    plain = PLAIN_HEADS[name](old.double(), exact, targets(), q.double())
    [slope] = torch.autograd.grad(plain.sum(), exact)
    assert loss.shape == (POSITIONS,)
    assert gradient.shape == (POSITIONS, NEW)
    assert close(loss, plain.detach())
    assert close(gradient, slope)


@each_head
def test_head_objective_is_zero_where_there_is_no_target(name):
    _, (loss, gradient) = of_head(name, draw(POSITIONS, BASE), draw(POSITIONS, NEW, seed=1))
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
    of_head(name, old, draw(POSITIONS, NEW, seed=1))
    assert torch.equal(old, kept)


@each_head
@pytest.mark.parametrize("new", [1, 2])
@pytest.mark.parametrize("scale", [300.0, 1e4])
def test_head_objective_is_finite_for_extreme_logits_and_few_tokens(name, new, scale):
    old, logits = draw(POSITIONS, BASE, scale=scale), draw(POSITIONS, new, seed=1, scale=scale)
    _, values = of_head(name, old, logits, targets().clamp_max(BASE + new - 1))
    for value in values:
        assert value.isfinite().all()


def test_no_positions_have_no_loss():
    nowhere = torch.zeros(0, dtype=torch.long)
    for name in input_objectives.names():
        loss, gradient, _ = of_inputs(name, torch.zeros(0, BASE), torch.zeros(0, BASE), ids=nowhere)
        assert (loss.shape, gradient.shape) == ((0,), (0, BASE))
    for name in head_objectives.names():
        chunk = HeadChunk(torch.zeros(0, BASE), torch.zeros(0, NEW), nowhere, torch.zeros(0, NEW), torch.zeros(0))
        loss, gradient = head_objectives.get(name)(chunk)
        assert (loss.shape, gradient.shape) == ((0,), (0, NEW))


def test_an_unknown_objective_is_refused_with_a_near_name():
    with pytest.raises(ConfigError, match="did you mean 'kl'"):
        input_objectives.get("kll")
    with pytest.raises(ConfigError, match="head objective 'cee'"):
        head_objectives.get("cee")
