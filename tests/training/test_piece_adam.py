"""Rows that learn from each other: equal to parts that are parameters of their own; to Adam where none are shared."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tokengraft.training.checkpoint import load_checkpoint, save_checkpoint
from tokengraft.training.piece_adam import Kinship, PieceAdam

PIECES = [(1, 2), (1, 3), (4, 5, 2), (1, 5, 6), (7, 8), (9, 5, 5, 10)]
WIDTH = 4


class Rows(nn.Module):
    """Rows with a gradient that depends on where they are, so that order matters."""

    def __init__(self):
        super().__init__()
        self.inputs = nn.Parameter(torch.randn(len(PIECES), WIDTH, generator=torch.Generator().manual_seed(1)))

    def optimizers(self):
        return [PieceAdam(self.inputs, Kinship(PIECES), lr=0.1, share=0.3, betas=(0.8, 0.9))]


def gradient(rows, step):
    target = torch.randn(rows.shape, generator=torch.Generator().manual_seed(step))
    seen = torch.rand(len(rows), 1, generator=torch.Generator().manual_seed(step)) < 0.5
    return (rows.detach() - target) * seen


def moved(rows, optimizers, steps):
    for step in steps:
        rows.inputs.grad = gradient(rows.inputs, step)
        for optimizer in optimizers:
            optimizer.step()
    return rows.inputs.detach().clone()


def traits_by_hand(pieces):
    """A row for each token, a column for each trait that at least two tokens have."""
    found = sorted({("first", own[0]) for own in pieces} | {("last", own[-1]) for own in pieces}
                   | {("between", piece) for own in pieces for piece in own[1:-1]})  # fmt: skip
    columns = [[1.0] * len(pieces)]
    for place, piece in found:
        parts = {"first": slice(0, 1), "last": slice(-1, None), "between": slice(1, -1)}[place]
        columns.append([float(piece in own[parts]) for own in pieces])
    return torch.tensor([column for column in columns if sum(column) > 1]).T


def test_a_row_is_the_sum_of_parts_that_adam_trains_one_by_one():
    rows, reference = Rows(), Rows().inputs.detach().clone()
    traits = traits_by_hand(PIECES)
    assert traits.shape[1] == Kinship(PIECES).traits > 3
    own = torch.zeros_like(reference).requires_grad_()
    common = torch.zeros(traits.shape[1], WIDTH, requires_grad=True)
    plain = torch.optim.Adam([{"params": [own], "lr": 0.1}, {"params": [common], "lr": 0.03}], betas=(0.8, 0.9))
    for step in range(20):
        whole = reference + own + traits @ common
        own.grad = common.grad = None
        whole.backward(gradient(whole, step))
        plain.step()
    expected = (reference + own + traits @ common).detach()
    assert torch.allclose(moved(rows, rows.optimizers(), range(20)), expected, atol=2e-5)


def test_without_anything_in_common_it_is_adam_bit_for_bit():
    rows, other = nn.Parameter(torch.ones(1, WIDTH)), nn.Parameter(torch.ones(1, WIDTH))
    ours, plain = PieceAdam(rows, Kinship([(1, 2)]), lr=0.1, share=1.0), torch.optim.Adam([other], lr=0.1)
    for step in range(5):
        rows.grad, other.grad = gradient(rows, step), gradient(other, step)
        ours.step()
        plain.step()
    assert torch.equal(rows, other)


def test_a_row_that_no_text_reaches_follows_its_kin_and_nobody_else():
    rows = nn.Parameter(torch.zeros(3, 1))
    optimizer = PieceAdam(rows, Kinship([(1, 2), (1, 3), (4, 5)]), lr=0.1, share=0.5)
    rows.grad = torch.tensor([[1.0], [0.0], [0.0]])
    optimizer.step()
    first, kin, stranger = rows.flatten().tolist()
    assert first < kin < stranger < 0, "all follow what is common to new tokens; kin follow their piece as well"


def test_a_step_without_a_gradient_moves_nothing():
    rows = nn.Parameter(torch.ones(2, 1))
    optimizer = PieceAdam(rows, Kinship([(1, 2), (1, 3)]), lr=0.1, share=0.5)
    optimizer.step()
    assert torch.equal(rows, torch.ones(2, 1))


@pytest.mark.parametrize("stop", [0, 3, 7])
def test_taken_up_again_it_goes_on_to_the_same_bits(tmp_path, stop):
    whole = Rows()
    expected = moved(whole, whole.optimizers(), range(8))
    before = Rows()
    optimizers = before.optimizers()
    moved(before, optimizers, range(stop))
    save_checkpoint(tmp_path / "c.safetensors", before, optimizers, stop)
    after = Rows()
    optimizers = after.optimizers()
    assert load_checkpoint(tmp_path / "c.safetensors", after, optimizers) == stop
    assert torch.equal(moved(after, optimizers, range(stop, 8)), expected)


@given(st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=5), min_size=1, max_size=12))
def test_spreading_is_the_transpose_of_gathering(pieces):
    kinship = Kinship(pieces)
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(len(pieces), 3, generator=draw, dtype=torch.float64)
    traits = torch.randn(kinship.traits, 3, generator=draw, dtype=torch.float64)
    spread = torch.zeros_like(rows)
    kinship.spread(spread, traits)
    assert torch.isclose((kinship.gather(rows) * traits).sum(), (rows * spread).sum())
