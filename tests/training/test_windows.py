"""Windows and paired batches, for any documents and any decomposition."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.alignment import shared_boundaries
from tokengraft.losses import NO_TARGET
from tokengraft.tokenizer import Decomposition
from tokengraft.training.batches import pair
from tokengraft.training.windows import collect_windows, cut_windows, make_window

BASE = 9

pieces = st.lists(st.lists(st.integers(1, BASE - 1), min_size=2, max_size=6), min_size=1, max_size=5)


@st.composite
def documents(draw, least=0):
    """(extended ids of a few documents, their decomposition)."""
    parts = Decomposition.from_pieces(BASE, draw(pieces))
    ids = st.integers(1, parts.size - 1)
    return draw(st.lists(st.lists(ids, min_size=1, max_size=40), min_size=least, max_size=5)), parts


prefixes = st.sampled_from([(), (0,), (0, 0)])
lengths = st.integers(1, 30)


@given(documents(), prefixes, lengths)
def test_windows_put_together_are_the_document(corpus, prefix, length):
    texts, parts = corpus
    for ids in texts:
        windows = list(cut_windows(ids, parts, prefix, length, BASE))
        assert all(tuple(window.student[: len(prefix)]) == prefix for window in windows)
        assert [token for window in windows for token in window.student[len(prefix) :]] == ids


@given(documents(), prefixes, lengths)
def test_no_window_is_longer_than_asked_unless_one_token_is(corpus, prefix, length):
    texts, parts = corpus
    for ids in texts:
        for window in cut_windows(ids, parts, prefix, length, BASE):
            assert len(window.teacher) <= length or len(window.student) == len(prefix) + 1


@given(documents(), prefixes, lengths)
def test_windows_are_filled(corpus, prefix, length):
    """The first token of the next window would not have fitted."""
    texts, parts = corpus
    for ids in texts:
        windows = list(cut_windows(ids, parts, prefix, length, BASE))
        for window, following in pairwise(windows):
            assert len(window.teacher) + parts.lengths[following.student[len(prefix)]] > length


@given(documents(least=1))
def test_a_window_in_both_tokenizations(corpus):
    texts, parts = corpus
    for ids in texts:
        window = make_window(np.array(ids), parts, BASE)
        assert window.teacher.tolist() == parts.flatten(np.array(ids)).tolist()
        assert window.teacher.max() < BASE
        base, extended = shared_boundaries(np.ones(len(window.teacher), np.int64), parts.lengths[window.student])
        assert window.ends.tolist() == base.tolist()
        assert extended.tolist() == list(range(len(window.student)))
        assert all(token < BASE for token in window.student[: window.first_new])
        assert window.first_new == len(ids) or window.student[window.first_new] >= BASE
        before = window.ends[: window.first_new].tolist()
        assert before == list(range(window.first_new)), "up to the first new token both are the same"


@given(documents(), prefixes, lengths)
def test_windows_with_nothing_to_compare_are_left_out(corpus, prefix, length):
    texts, parts = corpus
    every = [window for ids in texts for window in cut_windows(ids, parts, prefix, length, BASE)]
    kept = collect_windows(texts, parts, prefix, length, BASE)
    assert [len(window.student) for window in kept] == [
        len(window.student) for window in every if len(window.student) >= len(prefix) + 2
    ]


def places(flat, table):
    return [divmod(place, table.shape[1]) for place in flat.tolist()]


@given(documents(least=1), prefixes)
def test_every_position_is_in_exactly_one_place_of_a_batch(corpus, prefix):
    texts, parts = corpus
    windows = [make_window(np.array([*prefix, *ids]), parts, BASE) for ids in texts]
    batch = pair(windows)
    compared, before = places(batch.compared, batch.student), places(batch.before, batch.student)
    expected = [(row, column) for row, window in enumerate(windows) for column in range(len(window.student))]
    assert sorted(compared + before) == expected
    assert all(column >= windows[row].first_new for row, column in compared)
    assert all(column < windows[row].first_new for row, column in before)


@given(documents(least=1), prefixes)
def test_a_batch_pairs_what_ends_at_the_same_piece(corpus, prefix):
    texts, parts = corpus
    windows = [make_window(np.array([*prefix, *ids]), parts, BASE) for ids in texts]
    batch = pair(windows)
    student, teacher = places(batch.compared, batch.student), places(batch.compared_teacher, batch.teacher)
    for (row, column), (teacher_row, end) in zip(student, teacher, strict=True):
        assert row == teacher_row
        read = batch.student[row, : column + 1].numpy()
        assert batch.teacher[row, : end + 1].tolist() == parts.flatten(read).tolist()


@given(documents(least=1), prefixes)
def test_targets_are_the_next_tokens(corpus, prefix):
    texts, parts = corpus
    windows = [make_window(np.array([*prefix, *ids]), parts, BASE) for ids in texts]
    batch = pair(windows)
    for flat, targets in ((batch.compared, batch.compared_targets), (batch.before, batch.before_targets)):
        for (row, column), target in zip(places(flat, batch.student), targets.tolist(), strict=True):
            last = column + 1 == len(windows[row].student)
            assert target == (NO_TARGET if last else windows[row].student[column + 1])


def test_a_batch_keeps_its_values_on_another_device():
    parts = Decomposition.from_pieces(BASE, [(1, 2)])
    batch = pair([make_window(np.array([1, BASE, 3]), parts, BASE)])
    moved = batch.to(batch.student.device)
    assert all(getattr(moved, name).equal(getattr(batch, name)) for name in batch.__dataclass_fields__)
