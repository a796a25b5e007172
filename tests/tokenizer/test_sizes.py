"""Fertility and ceiling: counts that can be made by hand."""

import pytest

from tokengraft.tokenizer import ceiling, ceiling_of_texts, extend_tokenizer, family_of, fertility


@pytest.fixture(scope="module")
def extended(make_tokenizer, code):
    return extend_tokenizer(make_tokenizer("llama3"), code, 30, processes=1)


def test_fertility_counts_every_text(extended, code, english):
    texts = [*code, *english, "é", ""]
    found = fertility(extended, iter(texts))
    assert found.bytes == sum(len(text.encode()) for text in texts)
    assert found.documents == len(texts)
    assert found.tokens_base == sum(map(len, extended.base.encode(texts)))
    assert found.tokens_extended == sum(map(len, extended.encode(texts)))
    assert found.documents_longer == 0
    assert found.saved == 1 - found.tokens_extended / found.tokens_base > 0
    assert found.to_dict()["bytes"] == found.bytes


def test_no_text_saves_nothing(extended):
    assert fertility(extended, []).saved == 0
    assert ceiling_of_texts(family_of(extended.base), []).share == 0


def test_the_ceiling_is_one_token_a_pretoken(plain):
    limit = ceiling(family_of(plain), {"qzx": 3, " the": 5})
    assert (limit.tokens, limit.least) == (3 * 3 + 5, 8)


def test_no_extension_passes_the_ceiling(extended, code):
    limit = ceiling_of_texts(family_of(extended.base), code)
    assert limit.tokens == fertility(extended, code).tokens_base
    assert 0 < fertility(extended, code).saved <= limit.share < 1
    everything = extend_tokenizer(extended.base, code, 10_000, max_per_document=10**9, processes=1)
    assert fertility(everything, code).saved == pytest.approx(limit.share)
