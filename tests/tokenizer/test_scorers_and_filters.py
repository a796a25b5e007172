"""What is not wanted is not made, what is worth least gives way, and no chain is broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.errors import ConfigError
from tokengraft.tokenizer import count_corpus, extend_tokenizer, family_of
from tokengraft.tokenizer.candidates.selection import renumbered
from tokengraft.tokenizer.filters import filters, refusal
from tokengraft.tokenizer.merging import Merge, Words, learn_merges
from tokengraft.tokenizer.scorers import Exposure, scorers

ARGUMENTS = {"longer-than": "6", "pattern": "^ s"}
UNWANTED = {
    "numerals": (b" 42", b"int32"),
    "whitespace": (b"\n   ", b" a"),
    "incomplete": (b"\xc3", "é".encode()),
    "longer-than": (b"1234567", b"123456"),
    "pattern": (b" self", b"self"),
}


def setting(name):
    return f"{name}:{ARGUMENTS[name]}" if name in ARGUMENTS else name


@pytest.mark.parametrize("entry", list(filters), ids=filters.names())
def test_every_filter_refuses_what_it_names_and_nothing_else(entry):
    refused, kept = UNWANTED[entry.name]
    refuse = entry.function(ARGUMENTS.get(entry.name, ""))
    assert refuse(refused)
    assert refuse(kept) is None


@pytest.mark.parametrize(
    "text", ["numerals:3", "longer-than", "longer-than:0", "longer-than:x", "pattern", "pattern:(", "x"]
)
def test_a_filter_that_cannot_be_is_refused(text):
    with pytest.raises(ConfigError):
        refusal([text])


@pytest.mark.parametrize("name", sorted(UNWANTED))
def test_no_token_is_made_that_a_filter_refuses(make_tokenizer, code, name):
    texts = [*code, "日本語 日本語 12345 12345"]
    extension = extend_tokenizer(make_tokenizer("gpt2"), texts, 400, filters=[setting(name)], processes=1)
    refuse = refusal([setting(name)])
    assert all(refuse(token.bytes) is None for token in extension.new_tokens)
    assert any(f"filter {setting(name)}" in reject.reason for reject in extension.rejects)
    assert all(check.outcome != "failed" for check in extension.checks)


SCORES = {"count": 9.0, "saved": 8.0, "domain-share": 4 / 6}


@pytest.mark.parametrize("entry", list(scorers), ids=scorers.names())
def test_every_scorer_scores(entry):
    exposure = Exposure(count=9, uses=4, saved=8, tokens=100, reference_uses=2, reference_tokens=100)
    assert entry.function(exposure) == pytest.approx(SCORES[entry.name])


@pytest.mark.parametrize("scorer", ["saved", "domain-share"])
def test_a_scorer_chooses_among_more_than_are_asked_for(plain, code, english, scorer):
    extension = extend_tokenizer(
        plain, [*code, *english[:40]], 30, scorer=scorer, reference=english, processes=1, guard=english[:20]
    )
    assert len(extension.new_tokens) == 30
    assert any(f"{scorer} " in reject.reason for reject in extension.rejects)
    assert all(check.outcome != "failed" for check in extension.checks)


def test_of_two_tokens_the_one_that_saves_more_stays(plain):
    # `zz` stands twice in each `zzz` and saves one token of it.
    texts = [*["zzz"] * 5, *["qo"] * 7]
    assert [
        [token.text for token in extend_tokenizer(plain, texts, 1, scorer=name, processes=1).new_tokens]
        for name in ("count", "saved")
    ] == [["zz"], ["qo"]]


def test_a_whole_pretoken_counts_all_that_it_saves(plain):
    # Three times the whole word saves more than seven times a pair.
    texts = [*["zyxwvutsrq"] * 3, *["qo"] * 7]
    extension = extend_tokenizer(plain, texts, 1, scorer="saved", processes=1)
    assert [token.text for token in extension.new_tokens] == ["zyxwvutsrq"]


@pytest.mark.parametrize("kind", ["llama3", "gpt2", "sentencepiece"])
def test_what_goes_costs_no_more_than_its_score_says(make_tokenizer, code, kind):
    base, texts = make_tokenizer(kind), [*code, "日本語 日本語 zyxwvutsrq zyxwvutsrq"]
    pool = extend_tokenizer(base, texts, 40, processes=1)
    kept = extend_tokenizer(base, texts, 20, scorer="saved", processes=1)
    counts = count_corpus(family_of(pool.base), texts, processes=1)
    before, after = (family_of(extension.file).words(counts).total for extension in (pool, kept))
    gone = {token.token for token in pool.new_tokens} - {token.token for token in kept.new_tokens}
    scores = [float(r.reason.split()[1].strip(":")) for r in kept.rejects if r.reason.startswith("saved ")]
    assert len(scores) == len(gone) == 20
    assert 0 < after - before <= sum(scores)


def test_domain_share_needs_a_reference_before_anything_is_read():
    with pytest.raises(ConfigError, match="without a reference corpus"):
        extend_tokenizer("no/such/tokenizer/anywhere", "no/such/corpus", scorer="domain-share")


def test_seldom_tokens_go_and_those_that_are_needed_stay(plain, code):
    texts = [*code, "zyxwv", "zyxwv"]
    freely, exposed = (extend_tokenizer(plain, texts, 200, min_exposure=n, processes=1) for n in (0, 150))
    counts = count_corpus(family_of(plain), texts, processes=1)
    uses = family_of(exposed.file).words(counts).occurrences(exposed.size)
    needed = {part for token in exposed.new_tokens for part in token.merge}
    assert all(uses[token.id] >= 150 or token.id in needed for token in exposed.new_tokens)
    assert len(exposed.new_tokens) < len(freely.new_tokens)
    assert any("fewer than 150" in reject.reason for reject in exposed.rejects)


def test_the_gain_ends_the_choice(plain, code):
    counts = count_corpus(family_of(plain), code, processes=1)
    tokens = family_of(plain).words(counts).total
    extension = extend_tokenizer(plain, code, 800, gain=10_000, processes=1)
    assert 0 < len(extension.new_tokens) < 800
    assert all(token.count * 1e6 / tokens >= 10_000 for token in extension.new_tokens)
    assert "saves 10000 per million" in extension.shortfall


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(1, 6))
def test_what_each_rule_saves_is_counted_where_it_is_carried_out(words, least):
    counted = Words.of(words, [3] * len(words))
    learned = learn_merges(counted, list("abc"), 20, min_saved=least)
    saved = 0
    for number in range(len(learned.merges)):
        # The same rules once more, one at a time.
        shorter = learn_merges(counted, list("abc"), number + 1, min_saved=least)
        assert shorter.merges == learned.merges[: number + 1]
        saved += least
    total = _encoded(words, learned.merges)
    assert counted.total - 3 * total >= saved


def _encoded(words, merges):
    total = 0
    for word in words:
        ids = list(word)
        for merge in merges:
            place = 0
            while place < len(ids) - 1:
                if (ids[place], ids[place + 1]) == (merge.left, merge.right):
                    ids[place : place + 2] = [merge.id]
                place += 1
        total += len(ids)
    return total


@given(st.data())
def test_whatever_leaves_go_the_rest_finds_its_parts(data):
    merges = [Merge(0, 1, 3, "ab", 1), Merge(3, 2, 4, "abc", 1), Merge(1, 2, 5, "bc", 1), Merge(5, 5, 6, "bcbc", 1)]
    kept = {3, 4, 5, 6}
    for _ in range(data.draw(st.integers(0, 4))):
        leaves = [n for n in kept if not any(n in (m.left, m.right) for m in merges if m.id in kept)]
        kept.discard(data.draw(st.sampled_from(leaves)))
    rest = renumbered(merges, lambda merge: merge.id in kept, 3)
    names = {0: "a", 1: "b", 2: "c", **{merge.id: merge.token for merge in rest}}
    assert [merge.id for merge in rest] == list(range(3, 3 + len(kept)))
    assert all(names[merge.left] + names[merge.right] == merge.token for merge in rest)


@pytest.mark.parametrize("values", [{"min_exposure": -1}, {"gain": 0}, {"scorer": "x"}, {"filters": ["x"]},
                                    {"leading_space": "x", "words": ["a"]}, {"allow": ["x"]}, {"size": 10.5},
                                    {"size": "10"}, {"words": ["a", 1]}, {"words": [None]}])  # fmt: skip
def test_choices_that_cannot_be_are_refused_before_any_reading(values):
    with pytest.raises(ConfigError):
        extend_tokenizer("no/such/tokenizer/anywhere", "no/such/corpus", **values)


def test_guard_text_must_stay_where_that_is_asked(plain, code, english):
    from tokengraft.errors import CheckError

    texts = english + code[:20]
    measured = extend_tokenizer(plain, code, 60, guard=texts, processes=1)
    guard = next(check for check in measured.checks if check.name == "guard text keeps its tokens")
    assert guard.outcome == "measured"
    share = float(guard.detail.partition("%")[0])
    assert 0 < share < 100
    with pytest.raises(CheckError, match="guard text keeps its tokens"):
        extend_tokenizer(plain, code, 60, guard=texts, guard_share=0.9999, processes=1)


def test_a_share_of_no_guard_text_is_refused_and_never_holds(plain, code):
    from tokengraft.errors import CheckError

    with pytest.raises(ConfigError, match="without guard text"):
        extend_tokenizer("no/such/tokenizer/anywhere", "no/such/corpus", guard_share=0.5)
    with pytest.raises(CheckError, match="no guard text was given"):
        extend_tokenizer(plain, code, 20, guard=iter(()), guard_share=0.5, processes=1)
    without = extend_tokenizer(plain, code, 20, processes=1)
    assert ("passed", "no guard text was given") in {(check.outcome, check.detail) for check in without.checks}
