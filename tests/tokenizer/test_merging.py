"""Learning merges: the same rules as a plain reference and as the tokenizers library's own trainer."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokengraft.tokenizer.merging import CHARACTER, WHOLE, Unruled, Words, learn_merges


def reference(words, counts, tokens, size, min_count):
    """The definition, counted anew for each merge: the most frequent pair of neighbours, of equals the smallest ids."""
    words, tokens, merges, refused = [list(word) for word in words], list(tokens), [], set()
    while len(merges) < size:
        pairs = Counter()
        for word, count in zip(words, counts, strict=True):
            for pair in pairwise(word):
                pairs[pair] += count
        ranked = sorted((-count, pair) for pair, count in pairs.items() if count >= min_count and pair not in refused)
        if not ranked:
            break
        count, (left, right) = -ranked[0][0], ranked[0][1]
        token = tokens[left] + tokens[right]
        if token in tokens:
            refused.add((left, right))
            continue
        merges.append((left, right, len(tokens), token, count))
        words = [merged(word, left, right, len(tokens)) for word in words]
        tokens.append(token)
    return merges


def merged(word, left, right, new):
    result, place = [], 0
    while place < len(word):
        if word[place : place + 2] == [left, right]:
            result.append(new)
            place += 2
        else:
            result.append(word[place])
            place += 1
    return result


def as_tuples(merges):
    return [(merge.left, merge.right, merge.id, merge.token, merge.count) for merge in merges]


TOKENS = ["a", "b", "c", "ab", "bca", "aa"]
WORDS = st.lists(
    st.tuples(st.lists(st.integers(0, len(TOKENS) - 1), min_size=1, max_size=14), st.integers(1, 5)), max_size=12
)


@given(WORDS, st.integers(1, 30), st.integers(1, 4))
def test_merges_equal_those_of_the_reference(drawn, size, min_count):
    words, counts = [word for word, _ in drawn], [count for _, count in drawn]
    learned = learn_merges(Words.of(words, counts), TOKENS, size, min_count=min_count)
    assert as_tuples(learned.merges) == reference(words, counts, TOKENS, size, min_count)


@given(st.lists(st.text("abc ", min_size=1, max_size=30), min_size=1, max_size=8))
def test_merges_equal_those_of_the_librarys_trainer(texts):
    counts = Counter(word for text in texts for word in text.split())
    alphabet = sorted({character for word in counts for character in word})
    words = Words.of([[alphabet.index(character) for character in word] for word in counts], list(counts.values()))
    learned = learn_merges(words, alphabet, 12)
    # The library lets two rules make one token. Up to the first such pair both do the same.
    expected = library_merges(texts, len(alphabet) + 12)
    made = ["".join(merge) for merge in expected]
    alike = next((place for place, token in enumerate(made) if token in made[:place]), len(made))
    found = [
        (spelled(merge.left, alphabet, learned), spelled(merge.right, alphabet, learned)) for merge in learned.merges
    ]
    assert found[:alike] == expected[:alike]
    assert alike < len(made) or len(found) == len(expected)


def library_merges(texts, size):
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False)
    library.train_from_iterator(texts, trainer=trainer)
    return [tuple(merge) for merge in json.loads(library.to_str())["model"]["merges"]]


def spelled(number, alphabet, learned):
    return alphabet[number] if number < len(alphabet) else learned.merges[number - len(alphabet)].token


def test_a_run_of_one_token_merges_from_the_left():
    learned = learn_merges(Words.of([[0] * 5], [2]), ["a"], 9)
    assert as_tuples(learned.merges) == [(0, 0, 1, "aa", 8), (1, 0, 2, "aaa", 2), (1, 2, 3, "aaaaa", 2)]


def test_a_result_that_the_vocabulary_holds_makes_no_rule_and_is_kept_with_its_id():
    learned = learn_merges(Words.of([[0, 1]], [9]), ["a", "b", "ab"], 5)
    assert not learned.merges
    assert [(merge.token, merge.id, merge.count) for merge in learned.known] == [("ab", 2, 9)]


def test_what_was_left_is_told_apart():
    learned = learn_merges(Words.of([[0, 1], [1, 0], [0, 0]], [9, 5, 2]), ["a", "b"], 1, min_count=3)
    assert [merge.token for merge in learned.merges] == ["ab"]
    assert [(merge.token, merge.count) for merge in learned.next] == [("ba", 5)]
    assert [(merge.token, merge.count) for merge in learned.rare] == [("aa", 2)]


def test_no_words_give_no_merges():
    assert not learn_merges(Words.of([], []), ["a"], 5).merges


def test_counts_past_32_bits_stay_exact():
    count = 2**40 + 1
    (merge,) = learn_merges(Words.of([[0, 1]], [count]), ["a", "b"], 5).merges
    assert merge.count == count


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_rejects_are_bounded(keep):
    words = Words.of([[0, number] for number in range(1, 9)], list(range(1, 9)))
    learned = learn_merges(words, list("abcdefghi"), 1, min_count=4, keep_rejects=keep)
    assert len(learned.next) == min(keep, 4)
    assert [merge.count for merge in learned.rare] == [3, 2, 1][:keep]


def test_words_count_what_occurs():
    words = Words.of([[3, 3, 1], [], [1]], [2, 7, 5])
    assert words.total == 11
    assert words.occurrences(5).tolist() == [0, 7, 0, 4, 0]
    assert words.occurrences(5).dtype == np.int64


def reference_with_whole(words, counts, tokens, size, least):
    """Merges as above, and words taken whole where that saves more, all counted anew at each step."""
    rows = [[list(word), list(word), count] for word, count in zip(words, counts, strict=True)]
    tokens, made, whole, refused = list(tokens), [], {}, set()

    def spelled(ids):
        return "".join(tokens[number] for number in ids)

    while len(made) + len(whole) < size:
        pairs = Counter()
        for _, now, count in rows:
            for pair in pairwise(now):
                pairs[pair] += count
        ranked = sorted((-count, pair) for pair, count in pairs.items() if count >= 2 and pair not in refused)
        offers = [
            (-count * (len(now) - 1), tuple(old), row)
            for row, (old, now, count) in enumerate(rows)
            if count >= least and len(now) > 1 and spelled(old) not in [*tokens, *whole]
        ]
        if offers and -min(offers)[0] > (-ranked[0][0] if ranked else 0):
            old, now, _ = rows[min(offers)[-1]]
            whole[spelled(old)] = tuple(old)
            now.clear()
            continue
        if not ranked:
            break
        left, right = ranked[0][1]
        token = tokens[left] + tokens[right]
        if token in tokens:
            refused.add((left, right))
            continue
        whole.pop(token, None)
        made.append(token)
        for row in rows:
            row[1] = merged(row[1], left, right, len(tokens))
        tokens.append(token)
    return made, whole


@given(WORDS, st.integers(1, 30), st.integers(2, 4))
def test_whole_words_and_merges_equal_those_of_the_reference(drawn, size, least):
    distinct = {tuple(word): count for word, count in drawn}
    words = Words.of(list(distinct), list(distinct.values()))
    unruled = Unruled(lambda _: None, least)
    learned = learn_merges(words, TOKENS, size, unruled=unruled).merges
    made, whole = reference_with_whole(list(distinct), list(distinct.values()), TOKENS, size, least)
    assert [merge.token for merge in learned if not merge.pieces] == made
    assert {merge.token: merge.pieces for merge in learned if merge.kind == WHOLE} == whole
    assert [merge.id for merge in learned] == list(range(len(TOKENS), len(TOKENS) + len(learned)))


def test_a_whole_word_that_a_rule_makes_too_is_one_entry():
    words = Words.of([[0, 1, 2], *([number, 0, 1, 2] for number in range(3, 12))], [9, *[2] * 9])
    learned = learn_merges(words, list("abcdefghijkl"), 3, unruled=Unruled(lambda _: None, 3)).merges
    assert [(merge.token, merge.pieces) for merge in learned] == [("ab", ()), ("abc", ()), ("dabc", ())]


def test_a_hidden_character_joins_nothing_before_it_has_an_entry():
    tokens = [None] * 256 + ["x", "y"]
    words = Words.of([[256, *"é".encode(), *"é".encode(), 257], [256, *"日".encode()]], [10, 2])
    learned = learn_merges(words, tokens, 9, min_count=3, unruled=Unruled(byte_tokens=range(256))).merges
    assert [(merge.token, merge.count, merge.kind) for merge in learned] == [
        ("é", 20, CHARACTER),
        ("xé", 10, ""),
        ("éy", 10, ""),
        ("xééy", 10, ""),
    ]
    assert learned[0].pieces == tuple("é".encode())


@given(WORDS, st.integers(1, 12))
def test_the_order_in_which_words_were_counted_makes_no_difference(drawn, size):
    distinct = sorted({tuple(word): count for word, count in drawn}.items())
    made = [
        learn_merges(Words.of(*zip(*rows, strict=True)), TOKENS, size, unruled=Unruled(lambda _: None)).merges
        for rows in (distinct, distinct[::-1])
        if rows
    ]
    assert made[:1] == made[1:]
