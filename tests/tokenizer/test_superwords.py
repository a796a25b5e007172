"""Tokens over several pre-tokens: what may follow them, where they are exact, and where they are refused."""

import json

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from tokengraft.errors import ConfigError, TokenizerError
from tokengraft.tokenizer import TokenizerFile, extend_tokenizer, fertility
from tokengraft.tokenizer.one_pattern import one_pattern
from tokengraft.tokenizer.pretokens import splitter_of
from tokengraft.tokenizer.split_guards import Guards
from tokengraft.tokenizer.superword_pattern import with_superwords

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = one_pattern([r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"])
PATTERNS = {name: regex.compile(text, regex.V1) for name, text in
            {"gpt2": GPT2, "llama3": LLAMA3, "o200k": O200K, "deepseek": DEEPSEEK}.items()}  # fmt: skip
GUARDS = {name: Guards(pattern) for name, pattern in PATTERNS.items()}

TEXT = st.text(
    st.sampled_from("aZé漢नाि।ǅ\u0301 \t\n\r.,_-('’/$1٣²ſstreldvm\u00a0\u2003😀") | st.characters(codec="utf-8"),
    max_size=14,
)


@given(TEXT)
def test_one_pattern_cuts_as_several_in_turn(make_tokenizer, text):
    """By the engine of the tokenizers library itself, which cuts text when the extended tokenizer is in use."""
    several = make_tokenizer("deepseek").pre_tokenizer
    single = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(DEEPSEEK), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    assert single.pre_tokenize_str(text) == several.pre_tokenize_str(text)


@pytest.mark.parametrize("name", sorted(PATTERNS))
@given(TEXT, TEXT)
def test_before_what_a_guard_lets_pass_the_pattern_cuts_as_before(name, text, after):
    pattern = PATTERNS[name]
    pretokens = pattern.findall(text)
    if len(pretokens) < 2 or "\n" in text:
        return
    guard = GUARDS[name].after(pretokens[-2], pretokens[-1])
    if guard is None or regex.match(guard, after, regex.V1) is None:
        return
    assert pattern.findall(text + after)[: len(pretokens)] == pretokens


def test_a_guard_lets_pass_what_it_can():
    # A word may be followed by a space or a sign in every pattern, and a sign by a word where no sign begins one.
    for name, guards in GUARDS.items():
        assert regex.match(guards.after(" for", " i"), " in", regex.V1), name
        assert not regex.match(guards.after(" for", " i"), "f", regex.V1), name
        assert regex.match(guards.after(" for", " i"), "", regex.V1), name
    assert regex.match(GUARDS["gpt2"].after("x", "("), "y", regex.V1)
    assert not regex.match(GUARDS["llama3"].after("x", "("), "y", regex.V1)
    assert GUARDS["llama3"].after("x", "  ") is None


@given(st.sets(st.text("ab( ", min_size=2, max_size=5), min_size=1, max_size=8), st.text("ab( ", max_size=30))
def test_the_longest_superword_is_taken_first(texts, text):
    pattern = regex.compile(with_superwords("(?s:.)", dict.fromkeys(texts, "")), regex.V1)
    place = 0
    for found in pattern.findall(text):
        fitting = [each for each in texts if text.startswith(each, place)]
        assert found == max(fitting, key=len, default=text[place])
        place += len(found)
    assert place == len(text)


@pytest.fixture(scope="module", params=["gpt2", "llama3", "qwen2", "deepseek"])
def extended(request, make_tokenizer, code):
    return extend_tokenizer(make_tokenizer(request.param), code, 140, "superwords", processes=1)


def test_superwords_save_more_than_merges_can(extended, code):
    plain = extend_tokenizer(extended.base, code, 140, processes=1)
    assert fertility(extended, code).saved > plain.ceiling.share >= fertility(plain, code).saved
    over = [token for token in extended.new_tokens if "superword" in token.notes]
    assert over
    assert all(token.merge is None for token in over)
    assert all(len(splitter_of(extended.base)(token.text)) > 1 for token in over)


SURROUNDED = (TEXT, st.integers(0, 199), st.integers(0, 200), st.integers(0, 60), TEXT)


@given(*SURROUNDED)
def test_the_equation_holds_whatever_surrounds_a_superword(extended, code, before, document, start, length, after):
    require_equation(extended, before + code[document][start : start + length] + after)


@given(*SURROUNDED)
def test_the_equation_holds_where_merges_go_on_over_spaces(over_spaces, code, before, document, start, length, after):
    require_equation(over_spaces, before + code[document][start : start + length] + after)


def require_equation(extended, text):
    (base,), (new,) = extended.base.encode([text]), extended.encode([text])
    assert extended.decomposition.flatten(np.array(new, np.int64)).tolist() == base
    assert extended.decode(new) == extended.base.decode(base)


@pytest.fixture(scope="module", params=["sentencepiece", "metaspace"])
def over_spaces(request, make_tokenizer, code):
    return extend_tokenizer(make_tokenizer(request.param), code, 140, "superwords", processes=1)


def test_merges_over_spaces_save_more_than_words_allow(over_spaces, code):
    plain = extend_tokenizer(over_spaces.base, code, 140, processes=1)
    assert fertility(over_spaces, code).saved > fertility(plain, code).saved
    assert over_spaces.ceiling.share > plain.ceiling.share
    tokens = [token.token for token in over_spaces.new_tokens]
    assert any("▁" in token.lstrip("▁") for token in tokens)
    assert not any("▁" in token.token.lstrip("▁") for token in plain.new_tokens)
    assert all("▁" not in token.lstrip("▁") for token in tokens[:28]), "a fifth stays within words"


@pytest.mark.parametrize("size", [1, 4, 6])
def test_there_are_as_many_as_asked_for(make_tokenizer, code, size):
    for kind in ("gpt2", "sentencepiece"):
        assert len(extend_tokenizer(make_tokenizer(kind), code, size, "superwords", processes=1).new_tokens) == size


def test_the_extension_can_be_extended_again(extended, over_spaces, english):
    for file in (extended.file, over_spaces.file):
        again = extend_tokenizer(file, [*english, "zyx wvu " * 9], 10, processes=1)
        assert all(check.outcome != "failed" for check in again.checks)


def test_a_pipeline_that_cuts_at_spaces_is_refused(make_tokenizer, code):
    document = TokenizerFile.load(make_tokenizer("metaspace")).document
    pipeline = {**document["pre_tokenizer"], "split": True}
    with pytest.raises(TokenizerError, match="cuts at spaces"):
        extend_tokenizer(TokenizerFile({**document, "pre_tokenizer": pipeline}), code, 10, "superwords", processes=1)


@pytest.mark.parametrize("wrong", [{"scorer": "saved"}, {"min_exposure": 3}, {"gain": 1.0}])
def test_superwords_are_ranked_by_count_alone(make_tokenizer, code, wrong):
    for kind in ("gpt2", "sentencepiece"):
        with pytest.raises(ConfigError, match=f"superwords with {next(iter(wrong))}"):
            extend_tokenizer(make_tokenizer(kind), code, 10, "superwords", processes=1, **wrong)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("wordpiece", "no split pattern"), ("unigram", "no split pattern"),
     ("gpt2-prefix", "not one pattern")],
)  # fmt: skip
def test_other_tokenizers_are_refused_with_the_reason(make_tokenizer, code, kind, reason):
    with pytest.raises(TokenizerError, match=reason):
        extend_tokenizer(make_tokenizer(kind), code, 10, "superwords", processes=1)


def test_a_class_that_builds_its_own_pattern_is_refused(make_tokenizer, code, tmp_path):
    make_tokenizer("qwen2").save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    with pytest.raises(TokenizerError, match="a pattern of its own"):
        extend_tokenizer(tmp_path, code, 10, "superwords", processes=1)
    declared = TokenizerFile(TokenizerFile.load(tmp_path).document, {"tokenizer_class": "Qwen2TokenizerFast"})
    with pytest.raises(TokenizerError, match="a pattern of its own"):
        extend_tokenizer(declared, code, 10, "superwords", processes=1)
