"""Sums of objectives: how they are written, and that a sum's gradients are the sum of its terms'."""

import pytest
import torch

from tokengraft.errors import ConfigError
from tokengraft.losses import HeadChunk, head_objectives, input_objectives
from tokengraft.losses.fused import Head, Objectives, Targets, fused_loss
from tokengraft.losses.mixture import HeadMixture, InputMixture, parse_mixture
from tokengraft.model.projection import Projection


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("kl", [("kl", 1.0, None)]),
        (" 0.5 * kl+hidden-mse@-1 ", [("kl", 0.5, None), ("hidden-mse", 1.0, -1)]),
        ("hidden-mse + auto*ce", [("hidden-mse", 1.0, None), ("ce", None, None)]),
        ("1e-2*kl + .5*ce", [("kl", 0.01, None), ("ce", 0.5, None)]),
    ],
)
def test_sums_are_read(text, terms):
    assert [(term.name, term.weight, term.layer) for term in parse_mixture(text)] == terms


@pytest.mark.parametrize(
    "text", ["", "kl +", "kl ce", "auto*kl", "0*kl", "auto*kl + auto*ce", "kl + 2*kl", "-1*kl", "kl@x", "2kl"]
)
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(ConfigError, match=r"distill\.objective"):
        parse_mixture(text)


@pytest.mark.parametrize(
    ("text", "words"), [("kl@3", "write kl"), ("klx", "did you mean"), ("chain-rule", "objective")]
)
def test_input_sums_know_their_objectives(text, words):
    with pytest.raises(ConfigError, match=words):
        InputMixture.of(text)


@pytest.mark.parametrize("text", ["auto*ce + chain-rule", "ce@2"])
def test_head_sums_have_neither_automatic_weights_nor_layers(text):
    with pytest.raises(ConfigError, match=r"distill\.head_objective"):
        HeadMixture.of(text)


@pytest.mark.parametrize(("text", "share"), [("ce", 0), ("chain-rule", 1), ("ce + 3*chain-rule", 0.75)])
def test_the_teachers_share_of_the_head(text, share):
    assert HeadMixture.of(text).soft_share == share


def test_a_head_sum_is_the_weighted_sum_of_its_parts():
    draw = torch.Generator().manual_seed(0)
    old, new = torch.randn(9, 20, generator=draw), torch.randn(9, 4, generator=draw)
    soft, ids = torch.rand(9, 4, generator=draw) / 8, torch.randint(0, 24, (9,), generator=draw)

    def run(objective):
        return objective(HeadChunk(old.clone(), new.clone(), ids, soft, torch.ones(9)))

    ours = run(HeadMixture.of("1*ce + 3*chain-rule"))
    parts = [run(head_objectives.get(name)) for name in ("ce", "chain-rule")]
    for mixed, ce, chain in zip(ours, *parts, strict=True):
        assert torch.allclose(mixed, 0.25 * ce + 0.75 * chain, atol=1e-6)


@pytest.mark.parametrize("projection", [Projection(), Projection(scale=0.5, cap=4.0)])
@pytest.mark.parametrize("weights", [None, "drawn"])
def test_each_term_of_a_fused_sum_scales_its_own_gradient(projection, weights):
    """And cross-entropy for the input rows has torch's own gradient, through old and new columns."""
    draw = torch.Generator().manual_seed(1)
    hidden, there, table, rows = (torch.randn(*shape, generator=draw) for shape in ((17, 8), (17, 8), (30, 8), (5, 8)))
    ids = torch.randint(0, 35, (17,), generator=draw)
    chosen = None if weights is None else torch.rand(17, generator=draw)

    def fused(*names):
        leaf = hidden.clone().requires_grad_()
        losses, _ = fused_loss(
            leaf, rows.clone().requires_grad_(), None, Head(table, None, projection),
            Targets(there, ids, 0.1, 0.2, chosen),
            Objectives([input_objectives.get(name) for name in names], head_objectives.get("ce"), 1.0, 4),
        )  # fmt: skip
        return losses, leaf

    losses, leaf = fused("kl", "ce")
    (2 * losses[0] + 5 * losses[1]).backward()
    single = []
    for name in ("kl", "ce"):
        [loss], alone = fused(name)
        loss.backward()
        single.append(alone.grad)
    assert torch.allclose(leaf.grad, 2 * single[0] + 5 * single[1], atol=1e-5)

    exact = hidden.double().requires_grad_()
    plain = torch.nn.functional.cross_entropy(
        plain_logits(exact, torch.cat([table, rows]).double(), projection), ids, reduction="none"
    )
    (plain * 0.1 * (1 if chosen is None else chosen)).sum().backward()
    assert torch.allclose(single[1].double(), exact.grad, atol=1e-5)


def plain_logits(hidden, table, projection):
    raw = hidden @ table.T * projection.scale
    return raw if projection.cap is None else projection.cap * torch.tanh(raw / projection.cap)


def test_an_automatic_weight_is_a_constant():
    first, second = torch.tensor(3.0, requires_grad=True), torch.tensor(0.5, requires_grad=True)
    total = InputMixture.of("2*kl + auto*ce").combine(torch.stack([first, second]))
    total.backward()
    assert total.item() == pytest.approx(12)
    assert first.grad.item() == pytest.approx(2)
    assert second.grad.item() == pytest.approx(12), "6 / 0.5, not differentiated"
