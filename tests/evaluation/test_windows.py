"""Windows and rows: nothing lost, nothing twice, nothing too large."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tokengraft.evaluation.batches import length_batches, padded, rolling_rows
from tokengraft.evaluation.paired_text import fitting
from tokengraft.evaluation.windows import byte_windows, spread

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.lists(texts, max_size=4), st.integers(1, 20))
def test_windows_of_each_text_join_to_it(documents, size):
    windows = [list(byte_windows([text], size)) for text in documents]
    assert ["".join(each) for each in windows] == documents
    assert [w for each in windows for w in each] == list(byte_windows(documents, size))
    assert all(window for each in windows for window in each)


@given(texts, st.integers(1, 20))
def test_a_window_exceeds_its_size_only_to_hold_one_character(text, size):
    assert all(len(window.encode()) <= size or len(window) == 1 for window in byte_windows([text], size))


@given(texts, st.integers(4, 20))
def test_a_window_ends_after_a_line_end_where_it_holds_one(text, size):
    for window in list(byte_windows([text], size))[:-1]:
        assert window.endswith("\n") or "\n" not in window


@given(st.lists(st.text("ab", min_size=1, max_size=9), max_size=30), st.integers(1, 100))
def test_spread_windows_keep_order_and_budget(windows, budget):
    numbered = [f"{index}:{window}" for index, window in enumerate(windows)]
    chosen = spread(numbered, budget)
    assert chosen == [window for window in numbered if window in set(chosen)]
    assert sum(map(len, chosen)) <= budget or len(chosen) == 1
    if sum(map(len, numbered)) <= budget:
        assert chosen == numbered


def test_spread_reaches_the_whole_text():
    chosen = [int(window) for window in spread([f"{index:03}" for index in range(300)], 90)]
    assert len(chosen) == 30
    assert max(chosen) >= 290
    assert {after - before for before, after in pairwise(chosen)} == {10}


def test_windows_that_do_not_fit_are_parted_until_they_do(extension, heldout):
    windows = list(byte_windows(heldout, 1024))
    assert max(map(len, extension.base.encode(windows))) > 20
    fit = fitting(windows, extension.base, 20)
    assert "".join(fit) == "".join(windows)
    assert max(map(len, extension.base.encode(fit))) <= 20


@given(st.lists(st.integers(1, 9), max_size=40), st.integers(2, 12))
def test_rolling_rows_predict_every_id_once_from_the_ids_before_it(ids, context):
    rows = list(rolling_rows(ids, prefix=0, context=context))
    assert [number for row in rows for number in row[1:]] == ids
    assert all(2 <= len(row) <= context for row in rows)
    seen = 0
    for row in rows:
        assert row[0] == (ids[seen - 1] if seen else 0)
        seen += len(row) - 1


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), max_size=20), st.integers(1, 24))
def test_batches_hold_every_row_within_their_size(rows, tokens):
    batches = list(length_batches(rows, tokens))
    assert sorted(row for batch in batches for row in batch) == sorted(rows)
    assert all(len(batch) * max(map(len, batch)) <= tokens or len(batch) == 1 for batch in batches)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=1, max_size=6))
def test_padding_leaves_rows_as_they_are(rows):
    table = padded(rows)
    assert [line[: len(row)] for line, row in zip(table.tolist(), rows, strict=True)] == rows
