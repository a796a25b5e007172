"""Whole words: by merges, or as added tokens where merges cannot make them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokengraft as tg
from tokengraft.errors import TokenizerError
from tokengraft.special.plan import make_plan
from tokengraft.special.words import with_words
from tokengraft.tokenizer import TokenizerFile

from .conftest import of_conftest


@pytest.fixture(scope="session")
def file(base):
    return TokenizerFile.load(base)


@pytest.fixture(scope="session")
def extended(file):
    return with_words(file, ["tokengraft", "catmat"])


def test_words_are_whole_alone_and_after_a_space(extended):
    assert extended.merged
    assert set(extended.whole) == {"tokengraft", " tokengraft", "catmat", " catmat"}
    for form, number in extended.whole.items():
        assert extended.file.encode([form]) == [[number]]
    assert extended.file.decode(extended.file.encode(["a tokengraft, tokengraft!"])[0]) == "a tokengraft, tokengraft!"


@given(text=st.text(alphabet="tokengraf cmS.", max_size=30))
def test_other_text_is_never_longer_and_decodes_alike(extended, file, text):
    [new], [old] = extended.file.encode([text]), file.encode([text])
    assert len(new) <= len(old)
    assert extended.file.decode(new) == file.decode(old)


def test_what_the_split_pattern_cuts_becomes_an_added_token(file):
    words = with_words(file, ["cat.mat", "tokengraft"])
    assert set(words.whole) == {"tokengraft", " tokengraft", "cat.mat"}
    assert "cat.mat" in words.notes[0]
    number = words.whole["cat.mat"]
    assert words.file.encode(["cat.mat"]) == [[number]]
    assert number in words.file.encode(["the cat.mat sat"])[0]
    assert number not in words.file.encode(["the cat.mats"])[0]
    assert words.file.decode(words.file.encode(["the cat.mat sat"])[0]) == "the cat.mat sat"


def test_words_and_control_tokens_together(base):
    plan = make_plan(base, {"<|user|>": None}, ["tokengraft"])
    assert plan.file.ids["<|user|>"] == plan.size - 1
    assert list(plan.ids) == list(range(316, plan.size))
    assert plan.file.encode([" tokengraft<|user|>"]) == [[plan.words.whole[" tokengraft"], plan.size - 1]]


@pytest.mark.parametrize(("word", "said"), [("", "empty"), ("a b", "whitespace"), ("\u200b", "invisible")])
def test_words_that_are_refused(file, word, said):
    with pytest.raises(TokenizerError, match=said):
        with_words(file, [word])


def test_a_word_that_is_one_token_already(extended):
    with pytest.raises(TokenizerError, match="already"):
        with_words(extended.file, ["tokengraft"])


@pytest.fixture(scope="session", params=["sentencepiece", "metaspace"])
def sentencepiece(request, english):
    """Families that put a space before every text."""
    return TokenizerFile.load(of_conftest("tokenizer/conftest.py", "make_sentencepiece")(request.param, english))


def test_sentencepiece_has_a_token_for_each_form(sentencepiece):
    words = with_words(sentencepiece, ["thedog"])
    assert words.merged
    assert set(words.whole) == {"thedog", " thedog"}
    alone, spaced = words.whole["thedog"], words.whole[" thedog"]
    assert [words.file.token_bytes(number) for number in (alone, spaced)] == [b"thedog", b" thedog"]
    assert words.file.encode(["a thedog"])[0][-1] == spaced
    assert words.file.encode(["(thedog"])[0][-1] == alone
    with pytest.raises(TokenizerError, match="already"):
        with_words(words.file, ["thedog"])


@pytest.mark.data
def test_words_for_a_real_sentencepiece_model(shared_data, tmp_path):
    report = tg.add_words(shared_data / "models" / "stories260K-hf", None, ["dragon", "castle"], out=tmp_path / "out")
    assert set(report.words) == {"dragon", " dragon", "castle", " castle"}
    assert len(report.ids) == report.rows_after - report.rows_before
    with pytest.raises(TokenizerError, match="already"):
        tg.add_words(shared_data / "models" / "stories260K-hf", None, ["the"], out=tmp_path / "other")
    assert not (tmp_path / "other").exists()
