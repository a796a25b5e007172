"""D(t) as arrays: the same as taking each token apart one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.tokenizer import Decomposition

BASE = 6
PIECES = st.lists(st.lists(st.integers(0, BASE - 1), min_size=2, max_size=5), max_size=6)


@given(PIECES, st.data())
def test_flattening_is_a_flatmap(pieces, data):
    parts = Decomposition.from_pieces(BASE, pieces)
    ids = data.draw(st.lists(st.integers(0, parts.size - 1), max_size=20))
    table = [[number] for number in range(BASE)] + pieces
    flat = [piece for number in ids for piece in table[number]]
    array = np.array(ids, np.int64)
    assert parts.flatten(array).tolist() == flat
    assert parts.lengths.tolist() == [len(entry) for entry in table]
    last = parts.last_piece_index(array)
    assert [flat[place] for place in last] == [table[number][-1] for number in ids]
    assert len(flat) == (last[-1] + 1 if ids else 0)
