"""Documents drawn from a stream: as many as asked, whatever the order, and no more than asked in memory."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.corpus import Document
from tokengraft.corpus.sample import sample

documents = st.lists(
    st.builds(Document, st.text(max_size=8), st.text(max_size=40)), max_size=30, unique_by=lambda each: each.name
)
budgets = st.integers(0, 400)
seeds = st.integers(0, 1000)


def size(chosen):
    return sum(len(document.text.encode("utf-8", "surrogatepass")) for document in chosen)


@given(documents, budgets, seeds, st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(texts, budget, seed, order):
    shuffled = list(texts)
    order.shuffle(shuffled)
    assert sample(texts, budget, seed) == sample(shuffled, budget, seed)


@given(documents, budgets, seeds)
def test_as_many_as_asked_and_not_one_more(texts, budget, seed):
    chosen = sample(texts, budget, seed)
    assert len({document.name for document in chosen}) == len(chosen)
    assert all(document in texts for document in chosen)
    if size(chosen) < budget:
        assert len(chosen) == len(texts)
    elif len(chosen) > 1:
        assert size(chosen[:-1]) < budget, "without its last document it would be too small"


@given(documents, budgets, budgets, seeds)
def test_a_larger_sample_begins_with_the_smaller(texts, one, other, seed):
    small, large = (sample(texts, budget, seed) for budget in sorted((one, other)))
    assert large[: len(small)] == small


def many(number, size=10):
    return (Document(str(index), "x" * size) for index in range(number))


def test_another_seed_is_another_choice_in_another_order():
    first, second = (sample(many(200), 500, seed) for seed in (0, 1))
    assert len(first) == len(second) == 50
    assert first != second
    assert [document.name for document in first] != sorted(document.name for document in first)


def test_every_document_has_the_same_chance():
    drawn = Counter(document.name for seed in range(300) for document in sample(many(20), 50, seed))
    assert len(drawn) == 20
    # 300 draws of 5 in 20: 75 each, give or take four standard deviations of 7.5.
    assert all(45 <= count <= 105 for count in drawn.values())


def test_nothing_gives_nothing():
    assert sample([], 100, 0) == []


def test_bytes_are_counted_and_not_characters():
    texts = [Document(str(index), "é" * 10) for index in range(10)]
    assert len(sample(texts, 40, 0)) == 2


def test_lone_surrogates_are_no_crash():
    texts = [Document("a\ud83d", "x\ud83dy"), Document("b", "z")]
    assert sorted(sample(texts, 100, 0), key=lambda each: each.name) == sorted(texts, key=lambda each: each.name)


def test_two_documents_of_one_name_are_no_crash():
    """Names are the corpus' own affair; a pair that ties must not be compared by what cannot be compared."""
    texts = [Document("same", "one"), Document("same", "two"), Document("other", "three")]
    assert len(sample(texts, 1000, 0)) == 3


class Watched:
    """A stream that counts how many of its documents are alive."""

    def __init__(self, number):
        self.number, self.most, self.alive = number, 0, 0

    def __iter__(self):
        import weakref

        order = random.Random(0).sample(range(self.number), self.number)
        for index in order:
            text = Text("x" * 10)
            self.alive += 1
            self.most = max(self.most, self.alive)
            weakref.finalize(text, self.gone)
            yield Document(str(index), text)
            del text

    def gone(self):
        self.alive -= 1


class Text(str):
    """A text that can be watched; str itself takes no weak reference."""


@pytest.mark.parametrize("wanted", [1, 30])
def test_only_the_chosen_are_held(wanted):
    stream = Watched(500)
    assert len(sample(stream, wanted * 10, 0)) == wanted
    assert stream.most <= wanted + 3
