"""Contract of every registered initialiser, and the equations of those that have one."""

import pytest
import torch

from tokengraft.errors import ConfigError
from tokengraft.init import InitContext, initialise, initialisers
from tokengraft.model import find_tables, grow


def make(name, extension, seed=0):
    table = torch.randn(300, 16, generator=torch.Generator().manual_seed(3))
    context = InitContext(extension.base.token_bytes, torch.Generator().manual_seed(seed))
    return table, initialisers.get(name)(table, extension.new_tokens, context)


@pytest.mark.parametrize("name", initialisers.names())
def test_contract(name, extension):
    table, rows = make(name, extension)
    kept = table.clone()
    assert rows.shape == (30, 16)
    assert rows.dtype == torch.float32
    assert rows.isfinite().all()
    assert torch.equal(table, kept)
    assert torch.equal(rows, make(name, extension)[1]), "the same seed gives the same rows"
    assert 0.1 < rows.norm(dim=1).median() / table.norm(dim=1).median() < 2 or name == "mean"
    rows += 1
    assert torch.equal(table, kept), "rows share no memory with the table"


@pytest.mark.parametrize("name", initialisers.names())
def test_contract_on_models(name, extension, any_model):
    grow(any_model, extension)
    old = find_tables(any_model).input_weight[:300].clone()
    rows = initialise(any_model, extension, inputs=name, head=name)
    assert rows.inputs.shape == rows.head.shape == (30, 32)
    assert torch.equal(find_tables(any_model).input_weight[:300], old)
    assert torch.equal(find_tables(any_model).input_weight[300:330], rows.inputs)


def test_equations(extension):
    token = extension.new_tokens[0]
    table, mean = make("subtoken-mean", extension)
    assert torch.allclose(mean[0], sum(table[p] for p in token.pieces) / len(token.pieces))
    assert torch.equal(make("first-subtoken", extension)[1][0], table[token.pieces[0]])
    assert torch.equal(make("last-subtoken", extension)[1][0], table[token.pieces[-1]])
    sizes = [len(extension.base.token_bytes(p)) for p in token.pieces]
    weighted = sum(size * table[p] for size, p in zip(sizes, token.pieces, strict=True)) / sum(sizes)
    assert torch.allclose(make("length-weighted", extension)[1][0], weighted)


def test_an_unknown_name_is_refused_with_the_names_there_are(extension, any_model):
    grow(any_model, extension)
    with pytest.raises(ConfigError, match="subtoken-mean"):
        initialise(any_model, extension, inputs="subtoken-means")
