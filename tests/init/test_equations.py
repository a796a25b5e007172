"""Each published method beside a plain implementation of its equation."""

from collections import Counter

import numpy as np
import pytest
import torch

from tokengraft.init import initialisers
from tokengraft.init.calibrated import constant_direction
from tokengraft.init.focus import auxiliary, sparsemax
from tokengraft.init.omp import pursue

from .test_initialisers import Twin, context_for, donor, make


def test_means_and_copies(extension):
    for place, token in enumerate(extension.new_tokens):
        table, mean = make("subtoken-mean", extension)
        assert torch.allclose(mean[place], sum(table[p] for p in token.pieces) / len(token.pieces), atol=1e-6)
        assert torch.equal(make("first-subtoken", extension)[1][place], table[token.pieces[0]])
        assert torch.equal(make("last-subtoken", extension)[1][place], table[token.pieces[-1]])
        sizes = [len(Twin().token_bytes(p)) for p in token.pieces]
        weighted = sum(size * table[p] for size, p in zip(sizes, token.pieces, strict=True)) / sum(sizes)
        assert torch.allclose(make("length-weighted", extension)[1][place], weighted, atol=1e-6)
    assert torch.allclose(make("mean", extension)[1], table.mean(0).expand(30, -1))


@pytest.mark.parametrize("half", ["inputs", "head"])
def test_exponential(extension, half):
    table, rows = make("exponential", extension, table=half)
    for row, token in zip(rows, extension.new_tokens, strict=True):
        pieces = list(token.pieces)[::-1] if half == "inputs" else list(token.pieces)
        weights = [0.5**place for place in range(len(pieces))]
        plain = sum(weight / sum(weights) * table[piece] for weight, piece in zip(weights, pieces, strict=True))
        assert torch.allclose(row, plain, atol=1e-6)


def test_random_draws_have_the_moments_they_should(extension):
    """5 000 rows of a skewed table: mean, covariance and, for the isotropic draw, the entry size."""
    table = torch.randn(400, 6, generator=torch.Generator().manual_seed(1)) @ torch.randn(6, 6) + 2
    many = [extension.new_tokens[0]] * 5000
    drawn = initialisers.get("random-normal-covariance")(table, many, context_for(extension))
    scale = table.T.cov().diagonal().max()
    assert (drawn.mean(0) - table.mean(0)).abs().max() < 0.1 * scale.sqrt()
    assert (drawn.T.cov() - table.T.cov()).abs().max() < 0.15 * scale
    drawn = initialisers.get("random-normal")(table, many, context_for(extension))
    assert drawn.square().mean().sqrt() == pytest.approx(table.square().mean().sqrt().item(), rel=0.02)
    assert drawn.mean().abs() < 0.1 * scale.sqrt()


def test_align_is_a_mean_over_occurrences(extension):
    """Where a base spells one token in two ways, both count by how often they stand there."""
    token = extension.new_tokens[0]
    spellings = [(5, 6), (5, 6), (8,)]  # three texts, each of the token alone
    width = {5: 1, 6: 2, 8: 3, token.id: 3}
    table, rows = make(
        "align", extension, corpus=lambda: [[token.id]] * 3, encode=lambda texts: [list(text) for text in texts],
        encode_base=lambda texts: [list(pieces) for pieces in spellings[: len(texts)]], widths=width.__getitem__,
    )  # fmt: skip
    counts, plain = Counter(spellings), 0
    for pieces, count in counts.items():
        plain = plain + count / 3 * torch.stack([table[piece] for piece in pieces]).mean(0)
    assert torch.allclose(rows[0], plain, atol=1e-6)
    assert torch.allclose(rows[1], table[list(extension.new_tokens[1].pieces)].mean(0), atol=1e-6), "does not occur"


def test_align_is_the_subtoken_mean_under_a_conservative_extension(extension):
    _, aligned = make("align", extension, widths=lambda number: width_of(extension, number))
    _, mean = make("subtoken-mean", extension)
    assert torch.allclose(aligned, mean, atol=1e-6)


def width_of(extension, number):
    return 1 if number < 300 else len(extension.new_tokens[number - 300].pieces)


def plain_sparsemax(scores):
    """By bisection on the threshold: the weights above it add up to 1."""
    low, high = scores.min() - 1, scores.max()
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(scores - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(scores - low, 0)


def test_sparsemax():
    scores = np.random.default_rng(0).normal(size=(20, 30))
    ours = sparsemax(torch.from_numpy(scores)).numpy()
    for row, plain in zip(ours, scores, strict=True):
        assert np.allclose(row, plain_sparsemax(plain), atol=1e-9)
    assert np.allclose(ours.sum(1), 1)


def test_focus_is_the_sparsemax_of_cosines(extension):
    pytest.importorskip("gensim")
    table, rows = make("focus", extension, seed=4)
    ids = [token.id for token in extension.new_tokens]
    anchors, (old, new), known = auxiliary(context_for(extension, seed=4), 300, ids)
    assert known.any()
    for place, vector in zip(known.nonzero()[:, 0].tolist(), new, strict=True):
        cosines = [float(vector @ other / vector.norm() / other.norm()) for other in old]
        weights = plain_sparsemax(np.array(cosines))
        plain = sum(weight * table[anchor] for weight, anchor in zip(weights, anchors, strict=True))
        assert torch.allclose(rows[place].double(), plain.double(), atol=1e-5)


@pytest.mark.parametrize("k", [1, 4, 12])
def test_matching_pursuit_is_scikit_learns(k):
    linear = pytest.importorskip("sklearn.linear_model")
    draw = np.random.default_rng(1)
    atoms = draw.normal(size=(40, 20))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)  # scikit-learn compares unscaled products
    targets = draw.normal(size=(5, 20))
    theirs = linear.orthogonal_mp(atoms.T, targets.T, n_nonzero_coefs=k).T
    ours = pursue(torch.from_numpy(atoms), torch.from_numpy(targets), k).numpy()
    assert np.allclose(ours, theirs, atol=1e-8)
    assert ((ours != 0).sum(1) == k).all()


def test_omp_carries_the_combination_over(extension):
    """A donor whose table is the model's own, and a token that is a sum of two of its rows: found exactly."""
    own, twin = torch.randn(300, 16, generator=torch.Generator().manual_seed(3)), donor()
    tables = {"inputs": torch.cat([own, (2 * own[5] - own[9])[None]]), "head": own}
    word = extension.new_tokens[0].bytes

    class Knows(Twin):
        tokens = (*Twin.tokens, "new")

        def token_bytes(self, number):
            return word if number == 300 else super().token_bytes(number)

    table, rows = make("omp", extension, donor=lambda: type(twin)(Knows(), tables))
    assert torch.allclose(rows[0], 2 * table[5] - table[9], atol=1e-4)


def test_transfer_is_least_squares(extension):
    twin = donor(width=10)
    table, rows = make("transfer", extension, donor=lambda: twin)
    source, target = twin.tables["inputs"].double().numpy(), table.double().numpy()
    ones = np.ones((300, 1))
    plain, *_ = np.linalg.lstsq(np.hstack([source, ones]), target, rcond=None)
    carried = twin.rows("inputs", [token.bytes for token in extension.new_tokens]).double().numpy()
    assert np.allclose(rows.numpy(), np.hstack([carried, np.ones((30, 1))]) @ plain, atol=1e-4)


def test_words_are_means_of_means(extension):
    table, rows = make("similar", extension)
    plain = (table[[3, 7]].mean(0) + table[[5, 7]].mean(0)) / 2  # "one" → 3, 7; "three" → 5, 7
    assert torch.allclose(rows[0], plain, atol=1e-6)
    assert torch.allclose(rows[1], table[list(extension.new_tokens[1].pieces)].mean(0), atol=1e-6)
    table, rows = make("description", extension)
    assert torch.allclose(rows[0], table[[13, 7]].mean(0), atol=1e-6)


def test_the_calibrated_start_takes_the_tokens_share_of_its_first_pieces_mass(extension):
    """Where a direction of constant length exists, the mass of the tokens is what they have in the corpus."""
    states = torch.randn(400, 16, generator=torch.Generator().manual_seed(5))
    states[:, 0] = 3.0
    table, rows = make("first-subtoken-calibrated", extension, table="head", states=lambda: states)
    u = constant_direction(states)
    assert torch.allclose(states @ u, torch.ones(400), atol=0.02)
    counts = Counter(number for text in extension.texts(60) for number in text)
    token = extension.new_tokens[0]
    alike = [other for other in extension.new_tokens if other.pieces[0] == token.pieces[0]]
    places = counts[token.pieces[0]] + sum(counts[other.id] for other in alike)
    share = (counts[token.id] + 0.5) / (places + 1)
    lowered = (states @ rows[0] - states @ table[token.pieces[0]]).mean()
    assert lowered.item() == pytest.approx(np.log(share), abs=0.1)
