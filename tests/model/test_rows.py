"""New rows beside frozen tables: the same bits as the grown tables, and nothing of a table's size in any step."""

import copy

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tokengraft.config import DistillConfig
from tokengraft.init import initialise
from tokengraft.model import NewRows, find_tables, grow
from tokengraft.model.rows import Composed
from tokengraft.phases.rows import RowsPhase, distill
from tokengraft.phases.texts import training_windows

BASE, SIZE, ROWS = 300, 330, 347


@pytest.fixture
def grafted(any_model, extension):
    """A grown model with rows of padding behind the new ones, which no id ever reads."""
    grow(any_model, extension)
    initialise(any_model, extension)
    return grow(any_model, type("Padded", (), {"base_size": SIZE, "size": ROWS}))


@pytest.fixture
def ids():
    """Two rows of old and new ids, 0 and the last ones among them."""
    draw = torch.Generator().manual_seed(3)
    found = torch.randint(0, SIZE, (2, 40), generator=draw)
    found[0, :4] = torch.tensor([0, BASE - 1, BASE, SIZE - 1])
    return found


def moved(model):
    """(rows that have learned something, a composed model of them, the model with these rows written in)."""
    rows = NewRows.read(model, BASE, SIZE)
    torch.manual_seed(8)
    with torch.no_grad():
        for parameter in rows.parameters():
            parameter.add_(torch.randn_like(parameter))
    rows.round_to(model.dtype)
    written = copy.deepcopy(model)
    rows.write(written, BASE)
    return rows, Composed(model, rows, BASE), written


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_embedding_is_that_of_the_grown_table(grafted, ids, dtype):
    """Gemma scales what it reads from the table; its scale must meet the new rows with the same rounding."""
    _, composed, written = moved(grafted.to(dtype))
    found, expected = composed.embed(ids), written.get_input_embeddings()(ids)
    assert found.dtype == expected.dtype == dtype
    assert torch.equal(found, expected)
    assert not torch.equal(found, grafted.get_input_embeddings()(ids)), "the new rows come from `rows`"


def test_hidden_states_are_those_of_the_grown_model(grafted, ids):
    _, composed, written = moved(grafted)
    assert torch.equal(composed.hidden(ids), written.base_model(ids, use_cache=False).last_hidden_state)


def test_padding_behind_a_row_is_not_seen(grafted, ids):
    _, composed, _ = moved(grafted)
    whole, padded = composed.hidden(ids), composed.hidden(F.pad(ids, (0, 9)))[:, : ids.shape[1]]
    assert torch.allclose(whole, padded, rtol=1e-4, atol=1e-5)


def test_text_without_new_tokens_has_no_graph(grafted):
    _, composed, _ = moved(grafted)
    old = torch.arange(20)[None]
    assert torch.equal(composed.embed(old), grafted.get_input_embeddings()(old))
    assert not composed.embed(old).requires_grad


def test_the_gradient_of_a_row_is_that_of_the_whole_table(grafted, ids):
    rows, composed, written = moved(grafted)
    above = torch.randn(2, 40, 32, generator=torch.Generator().manual_seed(1))
    composed.embed(ids).backward(above)
    table = find_tables(written.requires_grad_(requires_grad=True)).embedding
    table(ids).backward(above)
    assert torch.allclose(rows.inputs.grad, table.weight.grad[BASE:SIZE], rtol=1e-5, atol=1e-6)


def test_head_and_bias_of_the_base_are_views(grafted):
    rows, composed, _ = moved(grafted)
    tables = find_tables(grafted)
    assert composed.base_head.shape == (BASE, 32)
    assert composed.base_head.data_ptr() == tables.head_weight.data_ptr()
    assert (composed.base_bias is None) == (tables.head_bias is None) == (rows.bias is None)
    if composed.base_bias is not None:
        assert composed.base_bias.data_ptr() == tables.head_bias.data_ptr()


def test_rows_are_read_and_written_apart_from_all_others(grafted):
    rows, _, written = moved(grafted)
    again = NewRows.read(written, BASE, SIZE)
    assert again.tied == rows.tied == (rows.head is rows.inputs)
    assert len(list(rows.parameters())) == (1 if rows.tied else 2) + (rows.bias is not None)
    for one, other in zip(rows.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    before, after = find_tables(grafted), find_tables(written)
    for old, new in ((before.input_weight, after.input_weight), (before.head_weight, after.head_weight)):
        assert torch.equal(old[:BASE], new[:BASE])
        assert torch.equal(old[SIZE:], new[SIZE:])


def test_rows_share_no_memory_with_the_model(grafted):
    kept = find_tables(grafted).input_weight.clone()
    rows = NewRows.read(grafted, BASE, SIZE)
    with torch.no_grad():
        rows.inputs.add_(1)
    assert torch.equal(find_tables(grafted).input_weight, kept)


class Tables(TorchDispatchMode):
    """Counts tensors of a table's shape that stand on memory of their own, that is, are no view of the model's."""

    def __init__(self, model):
        super().__init__()
        self.known = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        self.seen = self.made = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.shape in {(BASE, 32), (SIZE, 32), (ROWS, 32), (32, BASE)}:
                self.seen += 1
                self.made += leaf.untyped_storage().data_ptr() not in self.known
        return result


def test_a_step_makes_no_table(grafted, extension):
    settings = DistillConfig(max_length=48, chunk=7)
    phase = RowsPhase(grafted, extension, settings)
    windows = training_windows(grafted, extension, extension.texts(count=4), settings)
    optimizers = phase.optimizers()
    with Tables(grafted) as tables:
        loss, *_ = phase.step(windows)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    assert tables.seen, "the old part of the head was read"
    assert not tables.made


def test_a_table_that_is_made_would_have_been_seen(grafted):
    plain = copy.deepcopy(grafted).requires_grad_(requires_grad=True)
    with Tables(plain) as tables:
        plain(torch.arange(20)[None]).logits.sum().backward()
    assert tables.made


def test_a_model_that_is_not_frozen_is_not_trained_either(grafted, extension):
    """Models from `from_pretrained` ask for gradients; the phase must not make them, of a table's size or any other."""
    grafted.requires_grad_(requires_grad=True)
    settings = DistillConfig(steps=2, tokens_per_step=300, max_length=48, refit_positions=0)
    windows = training_windows(grafted, extension, extension.texts(count=6), settings)
    distill(grafted, extension, windows, settings=settings)
    assert all(parameter.grad is None for parameter in grafted.parameters())
    assert all(parameter.requires_grad for parameter in grafted.parameters())
