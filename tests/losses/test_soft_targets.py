"""The chain-rule targets on a model over four letters, where p(new | context) is summed by hand over every text."""

import itertools

import pytest
import torch

from tokengraft.losses.fused_head import Head
from tokengraft.losses.soft_targets import PieceTree, SoftTargets, follow, log_probabilities
from tokengraft.model.projection import Projection

LETTERS = 4
TOKENS = [(0, 1), (0, 1, 2), (0, 1, 2, 3), (0, 3), (2, 2), (1, 0)]
"""Three of them nested, so that longer ones take mass from shorter ones."""
LONGEST = 4


class LettersModel:
    """A language model of order two: the state is the last two letters, and logits are read off a table."""

    def __init__(self, seed=0):
        draw = torch.Generator().manual_seed(seed)
        self.table = torch.randn(LETTERS * LETTERS, LETTERS, generator=draw, dtype=torch.float64) * 1.5
        self.head = Head(torch.eye(LETTERS), None, Projection())

    def log_p(self, context):
        return self.table[context[-2] * LETTERS + context[-1]].log_softmax(0)

    def states(self, ids):
        """With the identity for a head, a state is its own logits; the first place has one letter before it."""
        return torch.stack([self.log_p((ids[max(0, place - 1)], ids[place])) for place in range(len(ids))]).float()


def longest_match(letters):
    """The new token that a text begins with, by the longest match; None where it begins with a single letter."""
    found = [token for token in TOKENS if tuple(letters[: len(token)]) == token]
    return max(found, key=len, default=None)


def by_hand(model, context):
    """p(next extended token | context), summed over all continuations of four letters."""
    new, old = torch.zeros(len(TOKENS)), torch.zeros(LETTERS)
    for continuation in itertools.product(range(LETTERS), repeat=LONGEST):
        letters, log_p = list(context), 0.0
        for letter in continuation:
            log_p += float(model.log_p(letters)[letter])
            letters.append(letter)
        token = longest_match(continuation)
        if token is None:
            old[continuation[0]] += torch.tensor(log_p).exp()
        else:
            new[TOKENS.index(token)] += torch.tensor(log_p).exp()
    return new, old


def ours(model, ids, tails=None):
    tree = PieceTree.of(TOKENS)
    if tails is not None:
        tree = PieceTree(tree.pieces, tree.lengths, tree.parent, tree.order, tails)
    states, places = model.states(ids), torch.arange(len(ids))
    found = follow(tree, torch.tensor([ids]), torch.tensor([len(ids)]), places, states, model.head)
    targets = SoftTargets(tree, states, found.context, found.token, found.log_rest)
    return found, targets.at(slice(0, len(ids)), states, torch.ones(len(ids), LETTERS))


@pytest.mark.parametrize("continuation", [(0, 1, 2, 3), (0, 1, 2, 0), (0, 1, 3, 3)])
def test_where_the_text_shows_the_pieces_the_target_is_the_sum_over_all_texts(continuation):
    """The text goes on a b …: everything that begins with a is exact as far as one piece beyond what it shows."""
    model = LettersModel()
    ids = [3, 1, *continuation]
    new, _ = by_hand(model, ids[:2])
    _, (soft, _) = ours(model, ids)
    exact = {(0, 1, 2, 3): [0, 1, 2, 3], (0, 1, 2, 0): [0, 1, 2, 3], (0, 1, 3, 3): [0, 3]}[continuation]
    if continuation == (0, 1, 3, 3):
        # The text leaves (0,1,2,3) after its second piece: (0,1,2) is known up to its third, (0,1,2,3) is not.
        assert soft[1, 1] + soft[1, 2] == pytest.approx(float(new[1] + new[2]), rel=1e-5)
    for token in exact:
        assert soft[1, token] == pytest.approx(float(new[token]), rel=1e-5), TOKENS[token]


def test_tails_that_are_true_make_every_target_exact():
    """With the true mean ratios of this context in place of what the text does not show, nothing is left to err."""
    model = LettersModel(1)
    ids = [3, 1, 1, 0]
    tails = torch.zeros(len(TOKENS), LONGEST)
    for row, token in enumerate(TOKENS):
        letters = [3, 1, token[0]]
        for depth, piece in enumerate(token[1:], start=1):
            tails[row, depth] = model.log_p(letters)[piece]
            letters.append(piece)
    new, old = by_hand(model, ids[:2])
    _, (soft, stays) = ours(model, ids, tails)
    assert torch.allclose(soft[1], new, rtol=1e-4)
    assert stays[1] == pytest.approx(float(old.sum()), rel=1e-4), "with logits of 1, the mass that stays"
    assert soft[1].sum() + stays[1] == pytest.approx(1.0, rel=1e-5)


def test_targets_are_a_distribution_wherever_one_looks():
    model = LettersModel(2)
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, LETTERS, (60,), generator=draw).tolist()
    found, _ = ours(model, ids)
    sums, counts = torch.zeros(len(TOKENS), LONGEST), torch.zeros(len(TOKENS), LONGEST)
    token, depth, probability = found.seen
    sums.index_put_((token, depth), probability, accumulate=True)
    counts.index_put_((token, depth), torch.ones_like(probability), accumulate=True)
    tails = PieceTree.of(TOKENS).with_tails(sums, counts).tails
    assert (tails <= 0).all()
    _, (soft, stays) = ours(model, ids, tails)
    assert (soft >= 0).all()
    assert (stays > 0).all()
    assert torch.allclose(soft.sum(1) + stays, torch.ones(60), atol=1e-5)


def test_the_tree_knows_which_token_a_longer_one_takes_its_mass_from():
    assert PieceTree.of(TOKENS).parent.tolist() == [-1, 0, 1, -1, -1, -1]


def test_what_is_read_off_the_teacher_is_what_the_text_shows():
    model = LettersModel(3)
    ids = [0, 1, 2, 0]
    found, _ = ours(model, ids)
    asked = {(int(t), int(d)): float(p) for t, d, p in zip(*found.seen, strict=True)}
    # No text stands before the first letter, so (0,1,…) is met only at the end: nothing is read there.
    assert (2, 3) not in asked
    ids = [3, 0, 1, 2, 1]
    found, _ = ours(model, ids)
    asked = {(int(t), int(d)): float(p) for t, d, p in zip(*found.seen, strict=True)}
    for token, depth, piece, context in ((0, 1, 1, (3, 0)), (2, 2, 2, (0, 1)), (2, 3, 3, (1, 2))):
        assert asked[token, depth] == pytest.approx(float(model.log_p(context)[piece].exp()), rel=1e-5)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 700])
def test_log_probabilities_in_any_order(count):
    draw = torch.Generator().manual_seed(count)
    hidden, weight = torch.randn(300, 8, generator=draw), torch.randn(50, 8, generator=draw)
    places = torch.randint(0, 300, (count,), generator=draw)
    ids = torch.randint(0, 50, (count,), generator=draw)
    found = log_probabilities(Head(weight, None, Projection()), hidden, places, ids)
    plain = (hidden @ weight.T).log_softmax(1)[places, ids]
    assert torch.allclose(found, plain, atol=1e-5)
