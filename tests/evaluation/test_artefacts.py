"""Double subwords, adoption and ties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.evaluation.adoption import adoption
from tokengraft.evaluation.artefacts import DoubleSubword, double_subwords, repeats_tail
from tokengraft.evaluation.passes import Chunk
from tokengraft.evaluation.recall import NewTokenRecall
from tokengraft.losses import NO_TARGET
from tokengraft.tokenizer import Decomposition

ids = st.lists(st.integers(0, 2), max_size=5)


@given(ids, ids)
def test_a_tail_is_recognised_by_its_definition(pieces, following):
    proper_tails = [pieces[start:] for start in range(1, len(pieces))]
    long = following + [9] * len(pieces)
    expected = any(long[: len(tail)] == tail for tail in proper_tails)
    if len(following) >= len(pieces):
        assert repeats_tail(pieces, following) == expected
    assert repeats_tail(pieces, long) == expected


@given(ids, ids, ids)
def test_more_text_only_ever_rules_out(pieces, following, more):
    if following and repeats_tail(pieces, following + more):
        assert repeats_tail(pieces, following)


def test_doubles_in_generated_ids():
    parts = Decomposition.from_pieces(10, [(1, 2, 3), (2, 3)])
    assert double_subwords([10, 2, 3], parts) == (1, 1)
    assert double_subwords([10, 11, 4], parts) == (1, 2)  # the second new token spells the first one's tail
    assert double_subwords([10, 1, 2, 3], parts) == (0, 1)
    assert double_subwords([10, 2, 4, 10, 3, 10], parts) == (1, 2)  # nothing follows the last
    assert double_subwords([], parts) == (0, 0)


def test_the_greedy_next_token_counts_by_its_own_pieces():
    parts = Decomposition.from_pieces(5, [(1, 2, 3), (2, 3)])
    after = [2, 6, 1, 5]  # after 5: its tail's first piece, its tail as a new token; then two that do not double
    measured = DoubleSubword(parts)
    logits = torch.eye(7)[after]
    measured.add(Chunk(logits, logits.logsumexp(1), torch.full((4,), 5), torch.tensor([4, 3, 4, 4]), None))
    assert (measured.occurrences, measured.rate, measured.rate_in_text) == (4, 0.5, 0.25)
    logits = torch.eye(7)[[2, 2]]
    measured.add(Chunk(logits, logits.logsumexp(1), torch.tensor([4, 5]), torch.tensor([2, NO_TARGET]), None))
    assert measured.occurrences == 4


def test_text_written_in_base_tokens_is_not_canonical(extension, code):
    plain = extension.base.encode(code[:3])
    used = adoption(plain, extension.file, 300)
    assert used.new == 0
    assert used.new_possible == sum(number >= 300 for row in extension.encode(code[:3]) for number in row) > 0
    assert used.adopted == 0
    kept = [number for row in extension.encode(code[:3]) for number in row if number < 300]
    assert used.canonical == len(kept)
    assert used.canonical_ratio == len(kept) / sum(map(len, plain))


def test_incomplete_characters_are_counted_and_not_fatal(extension):
    half = extension.base.encode(["ä"])[0][:1]
    assert adoption([half], extension.file, 300).tokens == 1


@pytest.mark.parametrize(
    ("scores", "mrr", "top1"), [([2.0, 1, 1], 1 / 2.5, 0.0), ([1.0, 0, 2], 1.0, 1.0), ([2.0, 0, 2], 1 / 1.5, 0.0)]
)
def test_ties_share_their_mean_rank(scores, mrr, top1):
    logits = torch.tensor([scores])
    recall = NewTokenRecall(base_size=1)
    recall.add(Chunk(logits, logits.logsumexp(1), torch.tensor([0]), torch.tensor([2]), None))
    assert recall.mrr == pytest.approx(mrr)
    assert recall.top1 == top1


def test_pieces_come_from_the_real_extension(extension):
    token = extension.new_tokens[0]
    assert repeats_tail(token.pieces, token.pieces[1:])
    assert extension.decomposition.flatten(np.array([token.id])).tolist() == list(token.pieces)
