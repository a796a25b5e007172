"""Ids change hands, and text that holds none of what was given up stays as it was."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.errors import ConfigError, CorpusError, TokenizerError
from tokengraft.tokenizer import TokenizerFile
from tokengraft.tokenizer.leaves import leaves
from tokengraft.tokenizer.prune import prune_tokenizer, read_pruned

KINDS = ("gpt2", "llama3", "deepseek", "sentencepiece")


@pytest.fixture(scope="module")
def pruned_of(make_tokenizer, code):
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = prune_tokenizer(make_tokenizer(kind), code, 40, processes=1)
        return made[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_stays_and_the_domain_is_shorter(pruned_of, kind, code):
    pruned = pruned_of(kind)
    assert pruned.file.size == pruned.base.size
    assert len({entry.id for entry in pruned.replaced}) == len(pruned.replaced) > 10
    assert pruned.tokens_after < pruned.tokens_before
    assert sum(map(len, pruned.file.encode(code))) < sum(map(len, pruned.base.encode(code)))
    assert all(check.passed for check in pruned.checks)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_text_without_what_was_given_up_stays_as_it_was(pruned_of, kind, data):
    pruned = pruned_of(kind)
    pieces = {entry.id: entry.pieces for entry in pruned.replaced}
    some = [entry.gone_bytes.decode(errors="ignore") for entry in pruned.replaced[:10]]
    new = [entry.bytes.decode(errors="ignore") for entry in pruned.replaced[:10]]
    text = "".join(data.draw(st.lists(st.sampled_from([*some, *new, "the cat", " é", "\n"]) | st.text(max_size=4))))
    before, after = pruned.base.encode([text])[0], pruned.file.encode([text])[0]
    if pieces.keys().isdisjoint(before):
        assert [piece for token in after for piece in pieces.get(token, (token,))] == before
    assert pruned.base.decode(before) == pruned.file.decode(after)


def test_only_leaves_go_that_the_domain_never_uses(pruned_of, code):
    pruned = pruned_of("gpt2")
    gone = {entry.id for entry in pruned.replaced}
    assert gone.isdisjoint(number for ids in pruned.base.encode(code) for number in ids)
    assert gone.isdisjoint(token["id"] for token in pruned.base.added_tokens)
    assert all(len(entry.gone) > 1 for entry in pruned.replaced)
    joined = {part for left, right in map(tuple, pruned.file.document["model"]["merges"]) for part in (left, right)}
    assert joined.isdisjoint(entry.gone for entry in pruned.replaced)


def test_parts_of_a_leaf_may_follow_it(plain):
    order = [leaf.token for leaf in leaves(plain, set(), {})]
    merges = [tuple(pair) for pair in plain.document["model"]["merges"]]
    assert sorted(order) == sorted({left + right for left, right in merges})
    for left, right in merges:
        for part in (left, right):
            assert part not in order or order.index(left + right) < order.index(part)


def test_what_general_text_uses_least_goes_first(make_tokenizer, code, english):
    spared = prune_tokenizer(make_tokenizer("gpt2"), code, 15, general=english[:20], processes=1)
    plain = prune_tokenizer(make_tokenizer("gpt2"), code, 15, processes=1)
    used = Counter(number for ids in spared.base.encode(english[:20]) for number in ids)
    assert sum(used[entry.id] for entry in spared.replaced) < sum(used[entry.id] for entry in plain.replaced)
    assert spared.checks[-1].outcome == "measured"
    assert "tokens before" in spared.checks[-1].detail


def test_what_was_given_up_is_written_down(pruned_of, tmp_path):
    pruned = pruned_of("llama3")
    pruned.save(tmp_path)
    rows = read_pruned(tmp_path)
    assert [row["id"] for row in rows] == [entry.id for entry in pruned.replaced]
    assert rows[0]["given_up"]["token"] == pruned.replaced[0].gone
    again = TokenizerFile.load(tmp_path)
    assert again.fingerprint == pruned.file.fingerprint
    assert json.loads((tmp_path / "tokengraft-prune.json").read_text())["ids"] == [row["id"] for row in rows]


def test_fewer_than_asked_is_said(make_tokenizer, code):
    pruned = prune_tokenizer(make_tokenizer("gpt2"), code, 100_000, processes=1)
    assert pruned.shortfall.startswith(f"{len(pruned.replaced)} of 100000 ids")


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
def test_other_families_are_refused(make_tokenizer, code, kind):
    with pytest.raises(TokenizerError, match="a BPE tokenizer"):
        prune_tokenizer(make_tokenizer(kind), code, 5, processes=1)


def test_bad_numbers_and_empty_text_are_refused(make_tokenizer):
    with pytest.raises(ConfigError, match="size = 0"):
        prune_tokenizer(make_tokenizer("gpt2"), ["a"], 0)
    with pytest.raises(CorpusError, match="no pair of tokens"):
        prune_tokenizer(make_tokenizer("gpt2"), ["a b c"], 5, processes=1)
