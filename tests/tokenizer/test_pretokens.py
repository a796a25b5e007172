"""Pre-tokens: the tokenizer's own, by whichever way they are found."""

import pickle
import unicodedata
from collections import Counter

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from tokengraft.tokenizer import TokenizerFile, dividers, family_of
from tokengraft.tokenizer.ascii_counts import counts_of
from tokengraft.tokenizer.chunks import Chunked
from tokengraft.tokenizer.dividers import GPT2_PATTERN, PatternDivider, PipelineDivider, Spaced
from tokengraft.tokenizer.pretokens import splitter_of
from tokengraft.tokenizer.spelling import text_of_spelling

# Both regex engines know the characters that were there in 2002; on younger ones each follows its own tables.
KNOWN = st.characters(exclude_categories=("Cs",)).filter(lambda c: unicodedata.ucd_3_2_0.category(c) != "Cn")
TEXTS = st.text(st.one_of(KNOWN, st.sampled_from(" \t\r\n\x1c\u00a0'sSabc123.é中")), max_size=60)


def pipeline(*steps):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(False, use_regex=False)])
    return TokenizerFile.load(tokenizer)


def by_library(file, text):
    normalizer = file.tokenizer.normalizer
    normalised = normalizer.normalize_str(text) if normalizer else text
    return [text_of_spelling(piece) for piece, _ in file.tokenizer.pre_tokenizer.pre_tokenize_str(normalised)]


@pytest.fixture(scope="module")
def splitters(make_tokenizer):
    kinds = ("gpt2", "gpt2-prefix", "llama3", "qwen2", "deepseek")
    files = [TokenizerFile.load(make_tokenizer(kind)) for kind in kinds]
    return [(file, splitter_of(file)) for file in files]


@given(TEXTS)
def test_pretokens_are_those_of_the_library(splitters, text):
    for file, splitter in splitters:
        assert splitter(text) == by_library(file, text)


def test_each_pipeline_goes_its_fast_way(splitters):
    ways = [type(splitter.divide) for _, splitter in splitters]
    assert ways == [PatternDivider, Spaced, PatternDivider, PatternDivider, Chunked]


@given(st.text(st.sampled_from("'strevlmdxA19._ \t\n\r\x0b\x1c\x7f"), max_size=80))
def test_counting_by_arrays_is_counting_the_list(text):
    assert counts_of(text) == Counter(regex.findall(GPT2_PATTERN, text))


def test_long_text_of_ascii_alone_is_counted_by_arrays(splitters, monkeypatch):
    [(_, splitter), *_] = splitters
    sentence = "it's a  tokenizer_of 'words'\n\tas we've_seen in 1999 "
    texts = [sentence * 100, sentence * 100 + "é", sentence * 100 + "\0", sentence]
    arrays = []
    monkeypatch.setattr(dividers, "counts_of", lambda text: arrays.append(text) or counts_of(text))
    for text in texts:
        assert splitter.tally(text) == Counter(splitter(text))
    assert arrays == texts[:1]


@given(TEXTS)
def test_a_tally_is_the_count_of_the_list_in_its_order(splitters, text):
    for _, splitter in splitters:
        assert list(splitter.tally(text).items()) == list(Counter(splitter(text)).items())


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a|b)|[^ab]+",  # findall gives groups, not matches
        r"\p{L}*",  # matches nothing, everywhere
    ],
)
def test_a_pattern_that_findall_cannot_serve_goes_the_general_way(pattern):
    file = pipeline(pre_tokenizers.Split(Regex(pattern), "isolated"))
    splitter = splitter_of(file)
    assert isinstance(splitter.divide, PipelineDivider)
    assert splitter("banana & co") == by_library(file, "banana & co")


def test_set_operations_mean_the_same():
    file = pipeline(pre_tokenizers.Split(Regex(r"[\p{L}&&[^a]]+|[^\p{L}]+|a"), "isolated"))
    assert splitter_of(file)("banana&c]o") == by_library(file, "banana&c]o")


@pytest.mark.parametrize("behaviour", ["removed", "merged_with_previous", "contiguous"])
def test_other_behaviours_go_the_general_way(behaviour):
    file = pipeline(pre_tokenizers.Split(Regex(r"\s+"), behaviour))
    assert splitter_of(file)("a b  c") == by_library(file, "a b  c")


def test_text_between_matches_is_kept():
    file = pipeline(pre_tokenizers.Split(Regex(r"\p{L}+"), "isolated"))
    assert splitter_of(file)("ab 12 cd!") == ["ab", " 12 ", "cd", "!"]


@given(st.lists(st.sampled_from(["<|begin|>", "<tool>", " the cat", "e\u0301", "<|", "\n", "rain", "\0"]), max_size=8))
def test_added_tokens_cut_the_text(splitters, parts):
    """What is left between added tokens, encoded by the model alone, is the text's encoding without them."""
    text = "".join(parts)
    for file, splitter in splitters:
        added = {token["id"] for token in file.added_tokens}
        whole = [number for number in file.encode([text])[0] if number not in added]
        assert encoded(family_of(file), splitter(text)) == whole


def encoded(family, pretokens):
    words = [family.words({pretoken: 1}).ids.tolist() for pretoken in pretokens]
    return [number for word in words for number in word]


def test_an_added_token_that_appears_by_normalising_cuts_too():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_tokens(["\u00e9"])
    splitter = splitter_of(TokenizerFile.load(tokenizer))
    assert splitter("caf\u00e9s") == splitter("cafe\u0301s") == ["caf", "s"]


def test_splitters_travel_between_processes(splitters):
    text = "the cat <|begin|> sat\n on 12 mats"
    for _, splitter in splitters:
        assert pickle.loads(pickle.dumps(splitter))(text) == splitter(text)
