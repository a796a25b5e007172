"""Shared boundaries: complete, ordered, symmetric, and the same by bytes and by pieces."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tokengraft.alignment import align, aligned_positions, byte_lengths, shared_boundaries
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import TokenizerFile, extend_tokenizer


def byte_level(texts, size, normalizer=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.add_special_tokens(["<|end|>"])
    return TokenizerFile.load(tokenizer)


@pytest.fixture(scope="module")
def base(english):
    return byte_level(english, 300)


@pytest.fixture(scope="module")
def other(code):
    return byte_level(code, 340)


@pytest.fixture(scope="module")
def extended(base, code):
    return extend_tokenizer(base, code, 60, processes=1)


@st.composite
def cuts(draw):
    """The same bytes cut twice, with tokens that cover nothing strewn in."""
    total = draw(st.integers(0, 40))
    return [lengths(draw, total) for _ in range(2)]


def lengths(draw, total):
    ends = sorted({*draw(st.sets(st.integers(1, max(1, total)), max_size=total)), total}) if total else []
    parts = np.diff([0, *[end for end in ends if end <= total]]).tolist()
    for _ in range(draw(st.integers(0, 3))):
        parts.insert(draw(st.integers(0, len(parts))), 0)
    return np.array(parts, np.int64)


@given(cuts())
def test_boundaries_are_complete_ordered_and_symmetric(pair):
    first, second = pair
    ends = [{int(end): place for place, end in enumerate(np.cumsum(part)) if part[place]} for part in pair]
    expected = [(ends[0][end], ends[1][end]) for end in sorted(ends[0].keys() & ends[1].keys())]
    base, extended = shared_boundaries(first, second)
    assert list(zip(base.tolist(), extended.tolist(), strict=True)) == expected
    swapped = shared_boundaries(second, first)
    assert swapped[0].tolist() == extended.tolist()
    assert swapped[1].tolist() == base.tolist()


def test_different_texts_are_refused():
    with pytest.raises(TokenizerError, match="cover 3 bytes in one sequence and 4"):
        shared_boundaries(np.array([1, 2]), np.array([4]))


TEXTS = st.lists(
    st.sampled_from(["hidden_states", " = ", "self.", "the cat", "é", "日本", "<|end|>", "\n    "])
    | st.text(max_size=6)
).map("".join)


@given(TEXTS)
def test_pieces_and_bytes_give_the_same_alignment(base, extended, text):
    by_pieces = align(text, base, extended)
    by_bytes = align(text, base, extended.file)
    for name in ("base_ids", "extended_ids", "base_positions", "extended_positions"):
        assert getattr(by_pieces, name).tolist() == getattr(by_bytes, name).tolist()
    assert by_pieces.base_ids.tolist() == base.encode([text])[0]
    again = align(by_pieces.extended_ids.tolist(), base, extended)
    assert again.base_positions.tolist() == by_pieces.base_positions.tolist()


@given(TEXTS)
def test_any_two_tokenizers_align_by_bytes(base, other, text):
    alignment = align(text, base, other)
    mirrored = align(text, other, base).swapped()
    assert alignment.base_positions.tolist() == mirrored.base_positions.tolist()
    assert alignment.extended_positions.tolist() == mirrored.extended_positions.tolist()
    for ids, positions, file in (
        (alignment.base_ids, alignment.base_positions, base),
        (alignment.extended_ids, alignment.extended_positions, other),
    ):
        ends = np.cumsum(byte_lengths(file, ids.tolist(), text))
        assert not len(positions) or ends[positions[-1]] == len(text.encode())


def test_every_extended_token_is_a_boundary(extended):
    ids = np.array([0, extended.base_size, extended.size - 1, 3])
    positions, own = aligned_positions(ids, extended.decomposition)
    assert own.tolist() == [0, 1, 2, 3]
    flat = extended.decomposition.flatten(ids)
    assert positions[-1] == len(flat) - 1
    assert flat[positions[1]] == extended.new_tokens[0].pieces[-1]


def test_no_text_has_no_boundaries(base, extended):
    assert align("", base, extended).base_positions.tolist() == []


def test_ids_need_a_known_relation(base, other):
    with pytest.raises(TokenizerError, match="pass the text"):
        align([1, 2], base, other)


def test_an_extension_is_aligned_with_its_own_base(other, extended):
    with pytest.raises(TokenizerError, match="the tokenizer that was extended"):
        align("the cat", other, extended)


def test_text_that_a_normaliser_changes_is_refused(base, english):
    composed = byte_level(english, 300, normalizers.NFC())
    assert align("cafe", base, composed).base_ids.tolist()
    with pytest.raises(TokenizerError, match="two tokenizations of the same text"):
        align("cafe\u0301", base, composed)


def test_the_space_that_sentencepiece_adds_covers_no_byte():
    vocabulary = {"▁": 0, "a": 1, "b": 2, "▁a": 3}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("▁", "a")]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Metaspace()
    file = TokenizerFile.load(tokenizer)
    assert byte_lengths(file, file.encode(["ab a"])[0], "ab a").tolist() == [1, 1, 2]


def test_a_loaded_base_will_do(base, extended):
    loaded = copy.deepcopy(base.tokenizer)
    assert align("the cat", loaded, extended).base_ids.tolist() == base.encode(["the cat"])[0]
