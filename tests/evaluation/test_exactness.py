"""Bit identity, and that nothing else passes for it."""

import copy

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tokengraft.evaluation.exactness import Exactness, Imprint
from tokengraft.init import initialise
from tokengraft.model import find_tables, grow

SAME = Exactness(old_rows_identical=True, old_logits_identical=True, compared_logits=4 * 4 * 128 * 300)


@pytest.fixture
def text(extension, english):
    return [number for ids in extension.base.encode(english) for number in ids]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_growing_and_initialising_change_no_bit(base_model, extension, text, dtype):
    base_model.to(dtype)
    before = Imprint.take(base_model, text, 300)
    assert before.compare(grow(base_model, extension)) == SAME
    initialise(base_model, extension)
    assert before.compare(base_model) == SAME


@pytest.mark.parametrize("rows", [320, 321, 322, 323])
def test_a_table_of_any_height_grows_exactly(text, rows):
    """Heights that 4 does not divide are where a product may choose another kernel."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=rows, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=128, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    before = Imprint.take(model, text, rows)
    grown = grow(copy.deepcopy(model), type("Extension", (), {"base_size": rows, "size": rows + 37}))
    assert find_tables(grown).rows == rows + 37
    outcome = before.compare(grown)
    assert outcome.old_rows_identical
    assert outcome.old_logits_identical


def test_one_bit_of_an_old_row_is_seen(base_model, extension, text):
    before = Imprint.take(base_model, text, 300, batches=1)
    grow(base_model, extension)
    table = find_tables(base_model).input_weight
    with torch.no_grad():
        table.view(torch.int32)[7, 3] ^= 1
    assert not before.compare(base_model).old_rows_identical


def test_a_zero_that_changes_its_sign_is_seen(base_model, text):
    table = find_tables(base_model).input_weight
    with torch.no_grad():
        table[5, 0] = 0.0
        before = Imprint.take(base_model, text, 300, batches=1)
        table[5, 0] = -0.0
    assert not before.compare(base_model).old_rows_identical


def test_a_moved_body_is_seen_in_the_logits(base_model, extension, text):
    before = Imprint.take(base_model, text, 300, batches=1)
    grow(base_model, extension)
    matrix = next(p for name, p in base_model.named_parameters() if p.ndim == 2 and p.shape[0] not in {128, 330})
    with torch.no_grad():
        matrix += 1e-3
    outcome = before.compare(base_model)
    assert outcome.old_rows_identical
    assert not outcome.old_logits_identical


def test_a_short_text_is_repeated_to_a_full_batch(base_model):
    assert Imprint.take(base_model, [1, 2, 3], 300).compare(base_model).compared_logits == 4 * 128 * 300
