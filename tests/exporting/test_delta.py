"""Changes of JSON documents and of tensors give back what they were made from."""

import json

import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tokengraft.exporting.delta import applied, difference
from tokengraft.exporting.tensors import Rows, changed_rows
from tokengraft.model.tables import same_bits

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=16) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, VALUES)
@example([None, None, 0.0], [None, None, -0.0])
@example([0], [False])
@example([float("nan")], [float("nan"), 1])
def test_any_document_comes_back_to_the_byte(before, after):
    change = json.loads(json.dumps(difference(before, after)))
    assert json.dumps(applied(before, change)) == json.dumps(after)


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_what_is_appended_is_all_that_is_kept(before, more):
    assert difference({"merges": before}, {"merges": before + more}) == (
        {"members": {"merges": {"append": more}}} if more else {"members": {}}
    )


@given(
    st.integers(0, 6), st.integers(0, 9), st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    st.sets(st.integers(0, 8)), st.sampled_from([(), (3,), (2, 2)]),
)  # fmt: skip
def test_changed_rows_give_the_tensor_back(rows, height, dtype, moved, rest):
    before = torch.randn(rows, *rest).to(dtype)
    after = torch.randn(height, *rest).to(dtype)
    after[: min(rows, height)] = before[: min(rows, height)]
    for row in moved:
        if row < height:
            after[row] = float("nan") if row % 2 else after[row] + 1
    change = changed_rows(before, after)
    assert same_bits(change.on(before) if isinstance(change, Rows) else change, after)
