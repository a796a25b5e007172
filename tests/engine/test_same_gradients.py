"""Whatever the engine leaves out, shares or remembers: its gradients are the plain way's."""

import pytest
import torch

from tokengraft.model import find_tables
from tokengraft.model.layers import find_blocks
from tokengraft.phases.objectives import Scales
from tokengraft.phases.passes import Remembered, Shared, Whole

BOUND = 1e-5
"""Relative error of a gradient in float32 against the plain way in float64."""

WAYS = {
    "whole": {"share_prefix": False},
    "shared": {},
    "shared, checkpointed": {"gradient_checkpointing": True},
    "cached": {"share_prefix": False, "teacher_cache": "states"},
    "shared, cached": {"teacher_cache": "states"},
    "shared, cached, small passes": {"teacher_cache": "states", "memory_gib": 0.001},
}


def error(ours, plain):
    return float((ours.double() - plain).norm() / plain.norm())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("temperature", "decay"), [(1.0, None), (2.0, 4.0)])
def test_every_way_gives_the_plain_gradient(engine_gradients, plain_gradients, way, temperature, decay):
    changes = WAYS[way] | {"temperature": temperature, "position_decay": decay}
    losses, ours, _ = engine_gradients(head_objective="none", **changes)
    plain, inputs, _ = plain_gradients(temperature=temperature, decay=decay)
    assert losses["kl"].item() == pytest.approx(plain["kl"].item(), rel=BOUND)
    assert error(ours["inputs"], inputs) <= BOUND
    assert "cross_entropy" not in losses


@pytest.mark.parametrize("way", WAYS)
def test_with_the_head_along(grafted, engine_gradients, plain_gradients, way):
    losses, ours, _ = engine_gradients(**WAYS[way])
    plain, inputs, head = plain_gradients()
    assert losses["cross_entropy"].item() == pytest.approx(plain["cross_entropy"].item(), rel=BOUND)
    if find_tables(grafted).tied:
        inputs = inputs + head
    else:
        assert error(ours["head"], head) <= BOUND
    assert error(ours["inputs"], inputs) <= BOUND


@pytest.mark.parametrize("way", ["whole", "shared", "shared, checkpointed"])
def test_with_states_of_an_early_layer(engine_gradients, plain_gradients, way):
    changes = WAYS[way] | {"objective": "kl + 0.5*hidden-mse@1", "head_objective": "none"}
    losses, ours, _ = engine_gradients(**changes)
    plain, inputs, _ = plain_gradients(states=0.5)
    assert losses["hidden-mse@1"].item() == pytest.approx(plain["hidden-mse@1"].item(), rel=BOUND)
    assert error(ours["inputs"], inputs) <= BOUND


@pytest.mark.parametrize("way", ["whole", "shared"])
def test_an_early_objective_runs_no_later_block(grafted, windows, engine_gradients, plain_gradients, way):
    changes = WAYS[way] | {"first_objective": "hidden-mse@1", "first_share": 1.0}
    losses, ours, phase = engine_gradients(**changes)
    plain, *_ = plain_gradients(states=1.0)
    assert list(losses) == ["hidden-mse@1"]
    assert losses["hidden-mse@1"].item() == pytest.approx(plain["hidden-mse@1"].item(), rel=BOUND)
    assert ours["inputs"].abs().sum() > 0
    ran = []
    hooks = [block.register_forward_hook(lambda *_, number=number: ran.append(number))
             for number, block in enumerate(find_blocks(grafted))]  # fmt: skip
    taught = [window for window in windows if window.first_new < len(window.student)]
    phase.first.taught(taught, Scales.of(taught, 300, None))
    for hook in hooks:
        hook.remove()
    assert set(ran) == {0}


@pytest.mark.parametrize("share", [True, False])
def test_top_logits_come_near_and_all_of_them_are_exact(engine_gradients, plain_gradients, share):
    changes = {"share_prefix": share, "teacher_cache": "top-k", "head_objective": "none"}
    _, inputs, _ = plain_gradients()
    errors = {k: error(engine_gradients(teacher_top=k, **changes)[1]["inputs"], inputs) for k in (16, 64, 300)}
    assert errors[300] <= 1e-4
    assert errors[300] < errors[64] < errors[16]


def test_the_cheapest_way_is_taken(grafted, engine_gradients):
    can = grafted.config.model_type != "gptj"  # does not go through the attention interface
    assert isinstance(engine_gradients()[2].main.passes, Shared if can else Whole)
    remembered = engine_gradients(teacher_cache="states")[2].main.passes
    assert isinstance(remembered, Remembered)
    assert remembered.share is can


def test_bfloat16_is_near(grafted, engine_gradients, plain_gradients):
    _, ours, phase = engine_gradients(compute_dtype="bfloat16", head_objective="none")
    assert (phase.composed.model.dtype, grafted.dtype) == (torch.bfloat16, torch.float32)
    assert phase.rows.inputs.dtype == torch.float32
    _, inputs, _ = plain_gradients()
    assert torch.cosine_similarity(ours["inputs"].double().flatten(), inputs.flatten(), dim=0) > 0.99
