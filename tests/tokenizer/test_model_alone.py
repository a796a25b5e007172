"""Many pre-tokens encoded as one text: the same ids as one by one."""

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from tokengraft.tokenizer.merging import Words
from tokengraft.tokenizer.model_alone import ROW, SEPARATOR, Row, encoded, encoded_words

LETTERS = {letter: number for number, letter in enumerate("abcd ")}


def bpe(vocabulary):
    return Tokenizer(models.BPE(vocabulary, [("a", "b")], unk_token=None))


@given(st.dictionaries(st.text(f"abcdx {SEPARATOR}", max_size=6), st.integers(1, 9), max_size=12))
def test_a_row_is_encoded_word_by_word(counts):
    model = bpe({**LETTERS, "ab": 5})
    found = encoded_words(model, counts)
    plain = Words.of(encoded(model, list(counts)), list(counts.values()))
    for name in ("ids", "lengths", "counts"):
        assert getattr(found, name).tolist() == getattr(plain, name).tolist()


def test_words_of_several_rows_stay_in_their_order():
    counts = {"a" * number: number for number in range(1, ROW + 20)}
    found = encoded_words(bpe({**LETTERS, "ab": 5}), counts)
    assert found.lengths.tolist() == found.counts.tolist() == list(range(1, ROW + 20))


def test_an_id_that_the_model_has_is_not_lent_to_the_separator():
    """A vocabulary with a hole: as many entries as its highest id."""
    model = bpe({**LETTERS, "ab": 6})
    assert Row.of(model) is None
    assert encoded_words(model, {"abc": 2}).ids.tolist() == [6, 2]
