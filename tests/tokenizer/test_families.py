"""Which family a tokenizer belongs to, and why some are refused."""

import copy

import pytest
from tokenizers import Tokenizer, pre_tokenizers

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import TokenizerFile, family_of, recognise
from tokengraft.tokenizer.families import families


def test_every_byte_level_make_is_recognised(base):
    assert family_of(base).name == recognise(base).name == "byte-level BPE"


def test_exactly_one_family_claims_each_tokenizer(base, refused):
    for file in (base, *map(TokenizerFile.load, refused.values())):
        claims = [entry.name for entry in families if entry.function(file) is not None]
        assert claims == [recognise(file).name]


def test_other_families_are_refused_by_name_and_with_the_reason(refused):
    assert sorted([*refused, "byte-level BPE"]) == families.names()
    for name, tokenizer in refused.items():
        file = TokenizerFile.load(tokenizer)
        with pytest.raises(TokenizerError) as error:
            family_of(file)
        assert f"a {name} tokenizer: {recognise(file).reason}" in str(error.value)


def changed(file, **model):
    return TokenizerFile({**file.document, "model": {**file.document["model"], **model}})


def test_random_merges_are_refused(plain):
    with pytest.raises(TokenizerError, match="dropped at random"):
        family_of(changed(plain, dropout=0.1))


def test_word_suffixes_are_refused(plain):
    with pytest.raises(TokenizerError, match="prefix or suffix"):
        family_of(changed(plain, end_of_word_suffix="</w>"))


def test_an_alphabet_with_holes_is_refused(plain):
    vocabulary = dict(plain.document["model"]["vocab"])
    del vocabulary["\u0122"]
    with pytest.raises(TokenizerError, match="1 of the 256 bytes"):
        family_of(changed(plain, vocab=vocabulary))


def test_a_pipeline_that_goes_on_after_bytes_is_refused(make_tokenizer):
    tokenizer = Tokenizer.from_str(make_tokenizer("gpt2").to_str())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([tokenizer.pre_tokenizer, pre_tokenizers.Digits()])
    with pytest.raises(TokenizerError, match="goes on after ByteLevel"):
        family_of(TokenizerFile.load(tokenizer))


def test_a_tokenizer_that_does_not_decode_is_refused(plain):
    with pytest.raises(TokenizerError, match="decoder does not turn"):
        family_of(TokenizerFile({**plain.document, "decoder": None}))


def test_added_tokens_that_the_library_renumbers_are_refused(plain):
    document = copy.deepcopy(plain.document)
    document["added_tokens"][-1]["id"] += 3
    with pytest.raises(TokenizerError, match=f"'<tool>' id {plain.size + 2}, the tokenizers library loads it as id"):
        family_of(TokenizerFile(document))


def test_an_added_token_that_cannot_be_pinned_is_refused(plain):
    document = copy.deepcopy(plain.document)
    document["added_tokens"][-1]["single_word"] = True
    with pytest.raises(TokenizerError, match="'<tool>' matches whole words only"):
        family_of(TokenizerFile(document))
    document["model"]["ignore_merges"] = False
    assert family_of(TokenizerFile(document))
