"""Faults that only a forward pass shows, and when such passes are made."""

import torch

import tokengraft as tg
from tokengraft.diagnosis import Severity, examine, open_case

from .conftest import codes, found

ERROR, WARNING, INFO = Severity
NAIVE = "softmax_of_minus_infinity"


def naive_attention(module, query, key, value, attention_mask, scaling=None, **others):
    """Attention as people write it: −∞ where the mask says no, and a softmax over whatever is left."""
    del module, others
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)
    if attention_mask is not None:
        scores = scores + attention_mask.float().where(attention_mask > -1, torch.tensor(float("-inf")))
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


def naive(model):
    """The model with that attention."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(NAIVE, naive_attention)
    AttentionMaskInterface.register(NAIVE, eager_mask)
    model.set_attn_implementation(NAIVE)
    return model


def test_positions_that_attend_to_nothing(model, tokenizer):
    for kind in ("eager", "sdpa"):
        model.set_attn_implementation(kind)
        assert not found("masked-rows-nan", model, tokenizer)


def test_positions_that_attend_to_nothing_become_nan(model, tokenizer):
    [finding] = found("masked-rows-nan", naive(model), tokenizer)
    assert finding.severity in {ERROR, WARNING}
    assert finding.evidence["padded_positions"] > 0
    assert finding.evidence["attention"] == NAIVE


def test_nan_without_padding_is_not_blamed_on_it(model, tokenizer):
    model.lm_head.weight.data[3] = float("nan")
    assert not found("masked-rows-nan", model, tokenizer)


def test_generation_in_batches_padded_on_the_right(model, tokenizer):
    assert not found("right-padding-generation", model, tokenizer)
    tokenizer.padding_side = "right"
    [finding] = found("right-padding-generation", model, tokenizer)
    assert (finding.severity, finding.fixable) == (WARNING, True)
    assert finding.evidence["equal"] < finding.evidence["of"]
    [finding] = found("right-padding-generation", model, tokenizer, training={"predict_with_generate": True})
    assert finding.severity is ERROR
    assert not found("right-padding-generation", model, tokenizer, training={"padding_side": "left"})
    tokenizer.pad_token = None
    assert not found("right-padding-generation", model, tokenizer)


def test_padding_on_the_left_really_gives_equal_outputs(model, tokenizer):
    """What the check compares is what `generate` does."""
    from tokengraft.diagnosis.forward import greedy

    texts = ["the cat sat", "the dog went home to eat with the grey hat"]
    batch = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    given = model.generate(**batch, max_new_tokens=6, do_sample=False, eos_token_id=[], pad_token_id=2)
    assert greedy(model, batch["input_ids"], batch["attention_mask"], 6).equal(given[:, -6:])


def test_models_are_loaded_only_where_that_is_cheap_or_wanted(folder, monkeypatch):
    monkeypatch.setattr("tokengraft.diagnosis.case.SMALL_BYTES", 10)
    skipped = examine(open_case(folder)).skipped
    assert "--forward" in skipped["phantom-rows-mass"]
    assert "phantom-rows-mass" not in examine(open_case(folder, forward=True)).skipped
    assert "--no-forward" in examine(open_case(folder, forward=False)).skipped["masked-rows-nan"]


def test_a_model_that_does_not_load_is_still_examined(folder):
    from .conftest import edit

    edit(folder / "config.json", vocab_size=7)
    result = examine(open_case(folder))
    assert "cannot be loaded" in result.skipped["phantom-rows-mass"]
    assert "vocab-size-mismatch" in codes(result.findings, ERROR)


def test_what_is_skipped_says_what_it_needs(model):
    result = examine(open_case(model))
    assert "--tokenizer" in result.skipped["pad-missing"]
    assert "--data" in result.skipped["labels-on-padding"]
    assert not set(result.skipped) & set(result.checked)
    assert tg.doctor(model) == result.findings
