"""The heuristic, and the cases in which it is wrong: they are why alignment goes by bytes or by pieces."""

from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tokengraft.alignment import align, aligners
from tokengraft.alignment.lookahead import LOOK_AHEAD, look_ahead_pairs
from tokengraft.errors import ConfigError, TokenizerError
from tokengraft.tokenizer import TokenizerFile
from tokengraft.tokenizer.spelling import BYTE_CHARACTERS, spell


def bytes_and(*entries):
    """A byte-level tokenizer of the 256 bytes and these entries, each made of all before it by merges from the left."""
    vocabulary = {character: number for number, character in enumerate(BYTE_CHARACTERS)}
    merges = []
    for entry in entries:
        spelled = spell(entry.encode())
        for end in range(2, len(spelled) + 1):
            if spelled[:end] not in vocabulary:
                vocabulary[spelled[:end]] = len(vocabulary)
                merges.append((spelled[: end - 1], spelled[end - 1]))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return TokenizerFile.load(tokenizer)


def pairs(text, base, other, method):
    found = align(text, base, other, method=method)
    return list(zip(found.base_positions.tolist(), found.extended_positions.tolist(), strict=True))


@given(st.text("abc ", max_size=60))
def test_on_plain_text_with_short_tokens_it_is_right(text):
    base, other = bytes_and("ab", "ca"), bytes_and("abc", "bb", "ba")
    assert pairs(text, base, other, "look-ahead") == pairs(text, base, other, "bytes")


def test_a_token_of_more_than_twenty_pieces_loses_step():
    long = ascii_lowercase[: LOOK_AHEAD + 5]
    base, other = bytes_and(), bytes_and(long)
    text = f"Z{long}ZZZ"
    assert pairs(text, base, other, "bytes") == [(0, 0), (25, 1), (26, 2), (27, 3), (28, 4)]
    assert pairs(text, base, other, "look-ahead") == [(0, 0)]


def test_after_a_lost_step_equal_text_at_another_place_is_paired():
    long = ascii_lowercase[: LOOK_AHEAD + 1]
    base, other = bytes_and(), bytes_and(long)
    text = f"{long}bcd"
    assert pairs(text, base, other, "bytes") == [(20, 0), (21, 1), (22, 2), (23, 3)]
    assert pairs(text, base, other, "look-ahead") == [(1, 1), (2, 2), (3, 3)]  # the first b, c, d with the last


def test_pieces_of_a_character_all_look_alike():
    """Each lone byte of `日` reads as U+FFFD, and so does its first two bytes together."""
    base, other = bytes_and(), bytes_and()
    merged = bytes_and("日")
    assert pairs("日", base, other, "bytes") == [(0, 0), (1, 1), (2, 2)]
    assert pairs("日", base, merged, "bytes") == [(2, 0)]
    assert pairs("日", base, merged, "look-ahead") == []
    assert pairs("é日", bytes_and("é"), merged, "look-ahead") != pairs("é日", bytes_and("é"), merged, "bytes")


def test_groups_on_both_sides():
    assert look_ahead_pairs(["ab", "c", "d"], ["a", "bc", "d"]) == [(1, 1), (2, 2)]
    assert look_ahead_pairs([], ["a"]) == []


def test_every_way_is_known_by_its_name():
    assert aligners.names() == ["bytes", "look-ahead", "pieces"]
    with pytest.raises(ConfigError, match="did you mean 'bytes'"):
        align("a", bytes_and(), bytes_and(), method="byte")


def test_pieces_need_an_extension():
    with pytest.raises(TokenizerError, match="align by bytes"):
        align("a", bytes_and(), bytes_and("ab"), method="pieces")
