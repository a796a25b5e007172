"""The fused loss beside whole logits and torch's autograd in double precision, and what it keeps in memory."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tokengraft.losses import NO_TARGET, head_objectives, input_objectives
from tokengraft.losses.fused import Head, Objectives, Targets, fused_loss
from tokengraft.model.projection import Projection

BASE, NEW, WIDTH, POSITIONS = 50, 6, 8, 23
WEIGHTS = 1 / 7, 1 / 31

PROJECTIONS = {
    "plain": Projection(),
    "scaled": Projection(scale=0.25),
    "capped": Projection(cap=3.0),
    "scaled and capped": Projection(scale=2.0, cap=4.0),
}


class Case:
    """Random tables and states, in one dtype, that both ways of computing start from."""

    def __init__(
        self, *, bias=True, projection=None, teacher=True, positions=POSITIONS, base=BASE, dtype=torch.float32
    ):
        draw = torch.Generator().manual_seed(7)

        def random(*shape):
            return torch.randn(*shape, generator=draw)

        self.projection = projection or Projection()
        self.hidden, self.teacher = random(positions, WIDTH).to(dtype), random(positions, WIDTH).to(dtype)
        self.table = random(base, WIDTH).to(dtype)
        self.bias = random(base).to(dtype) if bias else None
        self.new_head = random(NEW, WIDTH)
        self.new_bias = random(NEW) if bias else None
        self.ids = torch.randint(0, base + NEW, (positions,), generator=draw)
        self.ids[::5] = NO_TARGET
        self.teacher = self.teacher if teacher else None

    def fused(self, chunk=7, temperature=1.0):
        """(losses, leaves) by the fused loss; the leaves are the hidden states, the new head rows and their bias."""
        leaves = [None if leaf is None else leaf.clone().requires_grad_() for leaf in self.leaves()]
        inputs = (input_objectives.get("kl"),) if self.teacher is not None else ()
        totals, head_total = fused_loss(
            *leaves,
            Head(self.table, self.bias, self.projection),
            Targets(self.teacher, self.ids, *WEIGHTS),
            Objectives(inputs, head_objectives.get("ce"), temperature, chunk),
        )
        return (totals.sum(), head_total), leaves

    def plain(self, temperature=1.0):
        """The same by whole logits in double precision."""
        leaves = [None if leaf is None else leaf.double().requires_grad_() for leaf in self.leaves()]
        hidden, new_head, new_bias = leaves
        head_loss = F.cross_entropy(
            torch.cat([self.logits(hidden.detach(), self.table, self.bias),
                       self.logits(hidden.detach(), new_head, new_bias)], 1),
            self.ids, reduction="sum", ignore_index=NO_TARGET,
        )  # fmt: skip
        if self.teacher is None:
            return (hidden.sum() * 0, head_loss * WEIGHTS[1]), leaves
        q = F.log_softmax(self.logits(hidden, self.table, self.bias) / temperature, 1)
        p = F.log_softmax(self.logits(self.teacher.double(), self.table, self.bias) / temperature, 1)
        return ((p.exp() * (p - q)).sum() * WEIGHTS[0], head_loss * WEIGHTS[1]), leaves

    def leaves(self):
        return self.hidden, self.new_head, self.new_bias

    def logits(self, hidden, table, bias):
        raw = hidden @ table.double().T
        raw = (raw if bias is None else raw + bias.double()) * self.projection.scale
        cap = self.projection.cap
        return raw if cap is None else cap * torch.tanh(raw / cap)


def same(case, tolerance, **keywords):
    """Checks both losses and all three gradients."""
    temperature = keywords.get("temperature", 1.0)
    (ours, our_leaves), (plain, plain_leaves) = case.fused(**keywords), case.plain(temperature)
    (ours[0] + ours[1]).backward()
    (plain[0] + plain[1]).backward()
    for one, other in zip(ours, plain, strict=True):
        assert one.item() == pytest.approx(other.item(), rel=tolerance, abs=1e-9)
    for one, other in zip(our_leaves, plain_leaves, strict=True):
        if one is not None and one.grad is None:
            assert not other.grad.any(), "without a teacher nothing reaches the hidden states"
        elif one is not None:
            assert (one.grad - other.grad).norm() <= tolerance * other.grad.norm() + 1e-9


@pytest.mark.parametrize("chunk", [1, 7, POSITIONS, POSITIONS + 100])
@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("teacher", [False, True])
def test_same_as_the_plain_way(chunk, projection, bias, teacher):
    same(Case(bias=bias, projection=PROJECTIONS[projection], teacher=teacher), 1e-5, chunk=chunk)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_same_as_the_plain_way_at_other_temperatures(projection, temperature):
    same(Case(projection=PROJECTIONS[projection]), 1e-5, temperature=temperature)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_low_precision_tables_stay_within_their_own_precision(projection):
    """bfloat16 keeps 8 bits, 0.4 % a number; on a CPU the logits are rounded to it as well, so 2 % are allowed."""
    same(Case(projection=PROJECTIONS[projection], dtype=torch.bfloat16), 2e-2)


def test_a_low_precision_head_gives_the_rows_full_gradients():
    """The rows are float32 whatever the model is: their gradient must not be rounded to the model's dtype."""
    (_, head_loss), (_, new_head, new_bias) = Case(dtype=torch.bfloat16).fused()
    head_loss.backward()
    for gradient in (new_head.grad, new_bias.grad):
        assert gradient.dtype == torch.float32
        assert not torch.equal(gradient, gradient.bfloat16().float())


def test_positions_without_target_teach_the_head_nothing():
    case = Case()
    case.ids[:] = NO_TARGET
    (_, loss), (_, new_head, new_bias) = case.fused()
    loss.backward()
    assert loss.item() == 0
    assert not new_head.grad.any()
    assert not new_bias.grad.any()


@pytest.mark.parametrize("teacher", [False, True])
def test_no_positions_give_no_loss(teacher):
    losses, leaves = Case(positions=0, teacher=teacher).fused()
    sum(losses).backward()
    assert [loss.item() for loss in losses] == [0, 0]
    assert leaves[0].grad is None or leaves[0].grad.shape == (0, WIDTH)
    assert not leaves[1].grad.any()


def test_without_a_teacher_the_hidden_states_learn_nothing():
    losses, (hidden, *_) = Case(teacher=False).fused()
    sum(losses).backward()
    assert losses[0].item() == 0
    assert not hidden.grad.any()


def test_gradients_do_not_meet():
    (loss, _), (hidden, new_head, new_bias) = Case().fused()
    loss.backward()
    assert hidden.grad.any()
    assert not new_head.grad.any()
    assert not new_bias.grad.any()
    (_, loss), (hidden, new_head, new_bias) = Case().fused()
    loss.backward()
    assert not hidden.grad.any()
    assert new_head.grad.any()
    assert new_bias.grad.any()


def test_each_loss_scales_its_own_gradients():
    (first, second), plain = Case().fused()
    (first + second).backward()
    (first, second), scaled = Case().fused()
    (3 * first + 5 * second).backward()
    for leaf, other, factor in zip(scaled, plain, (3, 5, 5), strict=True):
        assert torch.allclose(leaf.grad, factor * other.grad)


def test_nothing_of_positions_times_vocabulary_is_kept():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.shape) or tensor, lambda t: t):
        Case(positions=64, base=512).fused(chunk=8)
    assert sorted(map(tuple, kept)) == [(NEW,), (NEW, WIDTH), (64, WIDTH)]


class Sizes(TorchDispatchMode):
    """Remembers the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.largest = max(self.largest, leaf.numel())
        return result


def test_no_more_logits_exist_than_a_chunk_has():
    case = Case(positions=64, base=512)
    with Sizes() as fused:
        losses, _ = case.fused(chunk=8)
        sum(losses).backward()
    with Sizes() as plain:
        losses, _ = case.plain()
        sum(losses).backward()
    assert fused.largest == 8 * 512 == case.table.numel()
    assert plain.largest >= 64 * 512
