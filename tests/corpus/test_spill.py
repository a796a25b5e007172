"""Counts that go to disk are the counts that memory would have held."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.corpus import count_pretokens, counts
from tokengraft.corpus.draw import draw_pretokens
from tokengraft.corpus.spill import Spill, SpilledCounts

WORDS = st.lists(st.lists(st.sampled_from(["a", "b", "é", "日本", " ", "\n", "x" * 50]) | st.text("abc", min_size=1)))


@given(WORDS, st.integers(1, 6), st.integers(1, 4))
def test_spilled_counts_are_exact(documents, cap, at_most):
    texts = ["\0".join(words) for words in documents]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "BATCH", 4)
        spilled = count_pretokens(texts, by_zero, max_per_document=at_most, processes=1, max_distinct=cap)
    held = count_pretokens(texts, by_zero, max_per_document=at_most, processes=1)
    assert isinstance(spilled, SpilledCounts) == (len(held) > cap)
    assert dict(spilled.items()) == held
    assert (len(spilled), sum(spilled.values())) == (len(held), sum(held.values()))


def by_zero(text):
    return [word for word in text.split("\0") if word]


def test_they_are_a_mapping_that_can_be_read_again(tmp_path):
    spill = Spill(tmp_path)
    spill.write({"a": 2**40, "b": 1})
    spill.write({"b": 2, "c": 3})
    found = spill.counts()
    assert isinstance(found, Mapping)
    assert (found["a"], found["b"], "d" in found) == (2**40, 3, False)
    assert list(found) == [pretoken for pretoken, _ in found.items()] == list(found)
    assert list(found.values()) == [found[pretoken] for pretoken in found]


def test_the_order_does_not_depend_on_when_it_spilled(tmp_path):
    orders = []
    for parts in ([{"a": 1, "b": 2, "c": 3}], [{"c": 3}, {"a": 1}, {"b": 2}]):
        spill = Spill(tmp_path)
        for part in parts:
            spill.write(part)
        orders.append(list(spill.counts().items()))
    assert orders[0] == orders[1]


def test_the_files_go_with_the_counts(tmp_path):
    found = count_pretokens(["a b c d"], str.split, max_per_document=1, max_distinct=1, spill_folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert len(found) == 4
    del found
    assert not list(tmp_path.iterdir())


def test_pretokens_are_drawn_by_their_counts():
    drawn = draw_pretokens({"a": 1, "b": 0, "c": 999}, 1000, seed=1)
    assert "b" not in drawn
    assert 980 <= drawn.count("c") <= 1000
    assert drawn == draw_pretokens({"a": 1, "b": 0, "c": 999}, 1000, seed=1)
