"""Cutting into lines and the way for ASCII change nothing: pieces are those of the pattern over the whole text."""

import pickle
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.tokenizer import chunks
from tokengraft.tokenizer.ascii_patterns import SPACES, ascii_pattern
from tokengraft.tokenizer.chunks import WHITESPACE, Chunked, Isolated, covers, in_turn, lines_of
from tokengraft.tokenizer.dividers import GPT2_PATTERN

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
NEMO = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
KNOWN = {"gpt2": GPT2_PATTERN, "llama3": LLAMA3, "qwen2": QWEN2, "nemo": NEMO}

SIGNS = st.sampled_from(
    [*" \t\n\r\x0b\x0c\x1c\x85\u00a0\u2003\u2028\u3000/.'sSaZé9中\u0301\u200b", "\n ", "//\n", " \n\n "]
)
TEXTS = st.lists(SIGNS | st.characters(exclude_categories=("Cs",)), max_size=40).map("".join)
PLAIN = st.lists(SIGNS.filter(str.isascii) | st.characters(max_codepoint=127), max_size=40).map("".join)


@pytest.mark.parametrize("name", KNOWN)
@given(text=TEXTS)
def test_lines_are_divided_as_the_text_is(name, text):
    plain = regex.compile(KNOWN[name], regex.V1).findall
    lines = lines_of(KNOWN[name]).findall(text)
    assert "".join(lines) == text
    assert [piece for line in lines for piece in plain(line)] == plain(text)


@pytest.mark.parametrize("name", KNOWN)
@given(text=PLAIN)
def test_ascii_is_divided_by_re_as_by_regex(name, text):
    assert ascii_pattern(KNOWN[name]).findall(text) == regex.compile(KNOWN[name], regex.V1).findall(text)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\X", r"\bfoo", r"^a", r"a$", r"(a)", r"(?<=a)b", r"[a&&b]", r"[[ab]c]", r"\p{Han}", r"a*", r"[]a]", "\\",
        r"[a", r"(?<!x)\p{L}",
    ],
)  # fmt: skip
def test_what_is_not_translated_is_left_to_regex(pattern):
    assert ascii_pattern(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"\p{L}+\s\p{L}+|\s+(?!\S)|\s+",  # runs over a space
        r"(?<=a)b|\s+(?!\S)|\s+",
        r" ?\p{L}+|\s+",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+",  # over a line end, and nothing takes the rest of the run
        r"\p{L}+",
    ],
)
def test_a_pattern_that_is_not_known_is_not_cut(pattern):
    assert lines_of(pattern) is None
    assert not covers(pattern)


def test_the_known_patterns_cover_any_text():
    assert covers(GPT2_PATTERN)
    assert covers(LLAMA3)
    assert not covers(r" ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def test_white_space_means_what_the_engines_mean():
    import re

    own, theirs = re.compile(f"[{WHITESPACE}]"), regex.compile(r"\s", regex.V1)
    signs = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Zs", "Zl", "Zp", "Cc", "Cf"}]
    assert [sign for sign in signs if own.match(sign)] == [sign for sign in signs if theirs.match(sign)]
    assert sorted(SPACES) == sorted(sign for sign in map(chr, range(128)) if theirs.match(sign))


def isolated(pattern):
    return Isolated(regex.compile(f"({pattern})", regex.V1).split)


def one_after_the_other(patterns, text):
    pieces = [text]
    for pattern in patterns:
        pieces = [part for piece in pieces for part in isolated(pattern)(piece)]
    return pieces


STEPS = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥]+", r"\p{N}"]


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@given(text=TEXTS)
def test_several_splits_are_those_one_after_the_other(number, text):
    assert in_turn([isolated(step) for step in STEPS[:number]])(text) == one_after_the_other(STEPS[:number], text)


def test_what_is_remembered_is_bounded_and_stays_behind(monkeypatch):
    monkeypatch.setattr(chunks, "REMEMBERED", 3)
    divider = Chunked(str.split, list)
    assert divider("ab cd ef gh ab") == list("abcdefghab")
    assert len(divider._known) <= 3
    again = pickle.loads(pickle.dumps(divider))
    assert not again._known
    assert again.tally("ab a") == {"a": 2, "b": 1}
