"""Growing: old rows and old logits keep their bits, ties stay ties, padding is told from new ids."""

import copy
from types import SimpleNamespace

import pytest
import torch

from tokengraft.errors import ModelError
from tokengraft.init import initialise
from tokengraft.model import NewRows, find_tables, grow
from tokengraft.model.tables import same_bits


def size(base, new):
    return SimpleNamespace(base_size=base, size=base + new)


def test_old_rows_keep_their_bits_and_ties_stay(any_model):
    before = copy.deepcopy(find_tables(any_model))
    grow(any_model, size(320, 37))
    after = find_tables(any_model)
    assert after.rows == 357 == any_model.config.vocab_size
    assert after.tied == before.tied == (after.embedding.weight is after.head.weight)
    assert same_bits(after.input_weight[:320], before.input_weight)
    assert same_bits(after.head_weight[:320], before.head_weight)
    assert not after.input_weight[320:].any()


def test_old_logits_keep_their_bits(any_model):
    ids = torch.arange(40).view(2, 20)
    before = any_model(ids).logits
    grow(any_model, size(320, 37))
    assert same_bits(any_model(ids).logits[..., :320], before)


def test_new_ids_in_padding_rows_are_initialised(any_model, extension):
    """300 ids in 320 rows: the first 20 of 30 new ids fall into rows that were there, 10 need new ones."""
    padding = find_tables(any_model).input_weight[300:].clone()
    grow(any_model, extension)
    assert find_tables(any_model).rows == 330
    initialise(any_model, extension, inputs="subtoken-mean")
    rows = NewRows.read(any_model, 300, 330)
    expected = torch.stack([find_tables(any_model).input_weight[list(t.pieces)].mean(0) for t in extension.new_tokens])
    assert torch.allclose(rows.inputs, expected)
    assert not torch.equal(rows.inputs[:20], padding)


def test_growth_within_padding_changes_no_shape(any_model):
    grow(any_model, size(300, 10))
    assert find_tables(any_model).rows == 320


def test_rows_can_be_padded_to_a_multiple(any_model):
    grow(any_model, size(320, 1), pad_to_multiple_of=64)
    assert find_tables(any_model).rows == 384


def test_a_grown_model_is_saved_and_loaded_as_it_is(any_model, tmp_path):
    from transformers import AutoModelForCausalLM

    grow(any_model, size(320, 37))
    any_model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert find_tables(again).tied == find_tables(any_model).tied
    assert same_bits(find_tables(again).head_weight, find_tables(any_model).head_weight)


def test_a_tokenizer_with_more_ids_than_rows_is_refused(any_model):
    with pytest.raises(ModelError, match="321 ids in the tokenizer and 320 rows"):
        grow(any_model, size(321, 5))


def test_a_model_without_head_is_refused(any_model):
    with pytest.raises(ModelError, match="head"):
        find_tables(any_model.base_model)


def test_rows_are_written_where_they_were_read(any_model, extension):
    grow(any_model, extension)
    rows = initialise(any_model, extension)
    before = copy.deepcopy(find_tables(any_model))
    with torch.no_grad():
        for parameter in rows.parameters():
            parameter.add_(1)
    rows.write(any_model, 300)
    after = find_tables(any_model)
    assert same_bits(after.input_weight[:300], before.input_weight[:300])
    assert torch.equal(after.input_weight[300:330], before.input_weight[300:330] + 1)
