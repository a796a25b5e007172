"""From hidden states to logits: what each architecture does is found out, and what none does is refused."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tokengraft.errors import ModelError
from tokengraft.model.projection import Projection, find_projection
from tokengraft.model.tables import find_tables

IDS = torch.arange(24).view(2, 12)


def logits_by_hand(model, projection):
    tables = find_tables(model)
    hidden = model.base_model(IDS, use_cache=False).last_hidden_state
    return projection.logits(hidden.flatten(0, 1), tables.head_weight, tables.head_bias).view(2, 12, -1)


def test_every_architecture(any_model):
    projection = find_projection(any_model)
    assert projection == Projection(1.0, 5.0 if any_model.config.model_type == "gemma2" else None)
    assert torch.allclose(logits_by_hand(any_model, projection), any_model(IDS).logits, rtol=1e-5, atol=1e-5)


SCALED = {"cohere": ({"logit_scale": 0.25}, 0.25), "granite": ({"logits_scaling": 8.0}, 0.125)}


@pytest.mark.parametrize("kind", SCALED)
def test_architectures_that_scale_their_logits(kind):
    changes, scale = SCALED[kind]
    config = AutoConfig.for_model(
        kind, vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=16, bos_token_id=0, eos_token_id=0, pad_token_id=None, **changes,
    )  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval().requires_grad_(requires_grad=False)
    with torch.no_grad():
        find_tables(model).head.weight.normal_()
    projection = find_projection(model)
    assert projection == Projection(scale)
    assert torch.allclose(logits_by_hand(model, projection), model(IDS).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_is_no_reason_to_refuse(any_model, dtype):
    assert find_projection(any_model.to(dtype))


CHANGES = {
    "three times as high": lambda _, __, logits: logits * 3,
    "shifted": lambda _, __, logits: logits + torch.arange(logits.shape[-1]),
    "capped": lambda _, __, logits: 2 * torch.tanh(logits / 2),
    "not a number": lambda _, __, logits: logits * float("nan"),
    "in another order": lambda _, __, logits: logits.flip(-1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_head_that_does_something_else_is_refused(any_model, change):
    any_model.get_output_embeddings().register_forward_hook(CHANGES[change])
    with pytest.raises(ModelError, match="whose logits differ") as error:
        find_projection(any_model)
    assert type(any_model).__name__ in error.value.found


def test_settings_that_the_model_does_not_follow_are_refused(any_model):
    any_model.config.logit_scale = 0.1
    with pytest.raises(ModelError, match="whose logits differ"):
        find_projection(any_model)


@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("bias", [False, True])
def test_logits_and_their_gradient(scale, cap, bias):
    torch.manual_seed(0)
    hidden, head = torch.randn(5, 8), torch.randn(11, 8)
    offset = torch.randn(11) if bias else None
    projection = Projection(scale, cap)
    raw = (hidden @ head.T + (offset if bias else 0)).detach().requires_grad_()
    plain = raw * scale if cap is None else cap * torch.tanh(raw * scale / cap)
    logits = projection.logits(hidden, head, offset)
    assert torch.allclose(logits, plain, rtol=1e-5, atol=1e-6)
    above = torch.randn(5, 11)
    [expected] = torch.autograd.grad(plain, raw, above)
    assert torch.allclose(projection.raw_gradient(above.clone(), logits), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_are_float32_and_nothing_given_is_changed(dtype):
    torch.manual_seed(0)
    given = torch.randn(5, 8).to(dtype), torch.randn(11, 8).to(dtype), torch.randn(11).to(dtype)
    kept = [tensor.clone() for tensor in given]
    assert Projection(0.5, 3.0).logits(*given).dtype == torch.float32
    assert all(torch.equal(one, other) for one, other in zip(given, kept, strict=True))
