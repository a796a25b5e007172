"""Bits per byte by hand: one window, one token at a time."""

import math

import pytest
import torch

from tokengraft.evaluation.bits_per_byte import BitsPerByte, bits_per_byte, byte_windows, rolling_rows
from tokengraft.evaluation.context import context_ids
from tokengraft.tokenizer import TokenizerFile

from .conftest import train_base


def by_hand(model, ids, prefix, context, size):
    nats = 0.0
    for row in rolling_rows(ids, prefix, context):
        logits = model(torch.tensor([row])).logits[0, :, :size].double()
        for place, number in enumerate(row[1:]):
            nats -= logits[place].log_softmax(0)[number].item()
    return nats


@pytest.mark.parametrize("size", [300, None])
def test_equals_a_computation_by_hand(base_model, extension, english, size):
    windows = list(byte_windows(english[:3], 100))
    encoded = [(ids, len(text.encode())) for ids, text in zip(extension.base.encode(windows), windows, strict=True)]
    result = bits_per_byte(base_model, encoded, prefix=0, context=17, batch_tokens=64, size=size)
    nats = sum(by_hand(base_model, ids, 0, 17, size) for ids, _ in encoded)
    assert result.nats == pytest.approx(nats, rel=1e-5)
    assert result.bytes == sum(len(text.encode()) for text in english[:3])
    assert result.tokens == sum(len(ids) for ids, _ in encoded)
    assert result.value == pytest.approx(nats / math.log(2) / result.bytes, rel=1e-5)


def test_batch_size_does_not_matter(base_model, extension, english):
    encoded = [(ids, 1) for ids in extension.base.encode(english[:4])]
    small, large = (
        bits_per_byte(base_model, encoded, prefix=0, context=100, batch_tokens=tokens) for tokens in (1, 4096)
    )
    assert small.nats == pytest.approx(large.nats, rel=1e-6)


def test_no_text_costs_nothing_and_has_no_figure(base_model):
    result = bits_per_byte(base_model, [], prefix=0, context=16)
    assert result == BitsPerByte(0.0, 0, 0)
    assert math.isnan(result.value)


def test_a_text_stands_behind_what_its_tokenizer_knows(english):
    assert context_ids(train_base(english)) == [0]
    bare = train_base(english, prefix=False)
    assert context_ids(bare) == bare.encode(["\n"])[0]
    with_end = TokenizerFile(bare.document, {"eos_token": "<|end|>"})
    assert context_ids(with_end) == [0]
