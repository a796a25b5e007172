"""Faults in the tables and their settings: each is made by plain code and found by its code; its neighbour is not."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import tokengraft as tg
from tokengraft.diagnosis import Severity

from .conftest import align, codes, edit, found, make_model, make_tokenizer, save

ERROR, WARNING, INFO = Severity


def table(model, *, head=False):
    return (model.get_output_embeddings() if head else model.get_input_embeddings()).weight.data


def test_a_sound_set_up_has_no_finding(folder):
    assert not tg.doctor(folder)


def test_ids_beyond_the_table(model, tokenizer):
    assert not found("ids-beyond-table", model, tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    [finding] = found("ids-beyond-table", model, tokenizer)
    assert (finding.severity, finding.evidence["ids"]) == (ERROR, [len(tokenizer) - 2, len(tokenizer) - 1])
    model.resize_token_embeddings(len(tokenizer))
    assert not found("ids-beyond-table", model, tokenizer)


def test_ids_of_a_batch_beyond_the_table(model):
    good = {"input_ids": torch.tensor([[1, 2]]), "labels": torch.tensor([[-100, 2]])}
    assert not found("batch-ids-beyond-table", model, batches=[good])
    for bad in ({"input_ids": [[1, 5000]]}, {"input_ids": [[1, -1]]}, {"input_ids": [[1]], "labels": [[-1]]}):
        [finding] = found("batch-ids-beyond-table", model, batches=[good, bad])
        assert finding.evidence["batch"] == 1


@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_rows_that_are_not_finite(model, tokenizer, head, value):
    assert not found("rows-not-finite", model, tokenizer)
    table(model, head=head)[[7, 9], 3] = value
    [finding] = found("rows-not-finite", model, tokenizer)
    assert (finding.severity, finding.evidence["rows"]) == (ERROR, [7, 9])
    assert ("lm_head" in finding.evidence["table"]) == head


def test_rows_of_zeros(model, tokenizer):
    table(model)[tokenizer.pad_token_id] = 0  # as transformers itself makes it
    assert not found("rows-zero", model, tokenizer)
    table(model)[[20, tokenizer.eos_token_id]] = 0
    [finding] = found("rows-zero", model, tokenizer)
    assert (finding.severity, finding.evidence["in_use"]) == (WARNING, [tokenizer.eos_token_id])
    assert finding.evidence["rows"] == [tokenizer.eos_token_id, 20]


def test_rows_of_zeros_beyond_the_tokenizer_are_padding(tokenizer):
    model = make_model("llama-untied", rows=len(tokenizer) + 20)
    table(model)[len(tokenizer) :] = 0
    assert not found("rows-zero", model, tokenizer)


def test_duplicate_rows(model, tokenizer):
    table(model)[50] = table(model)[40] + 1e-3  # near is not equal
    assert not found("rows-duplicate", model, tokenizer)
    table(model)[[50, 60]] = table(model)[40].clone()
    [finding] = found("rows-duplicate", model, tokenizer)
    assert (finding.severity, finding.evidence["groups"]) == (INFO, [[40, 50, 60]])
    batch = {"input_ids": torch.tensor([[40, 50]])}
    assert found("rows-duplicate", model, tokenizer, batches=[batch])[0].severity is WARNING


@pytest.mark.parametrize(("factor", "word"), [(1e-3, "tiny"), (100.0, "huge")])
def test_rows_out_of_scale(model, tokenizer, factor, word):
    table(model)[30] *= 2
    assert not found("rows-out-of-scale", model, tokenizer)
    table(model)[tokenizer.eos_token_id] *= factor
    [finding] = found("rows-out-of-scale", model, tokenizer)
    assert (finding.severity, finding.evidence["rows"]) == (WARNING, [tokenizer.eos_token_id])
    assert word in finding.found


@pytest.mark.parametrize("name", ["llama-untied", "gpt2-tied"])
@pytest.mark.filterwarnings("ignore")
def test_rows_as_a_resize_left_them(name, tokenizer):
    """transformers' own resize, and the same rows after they were trained apart."""
    model = make_model(name, rows=len(tokenizer))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    model.resize_token_embeddings(len(tokenizer))
    findings = found("rows-untrained", model, tokenizer)
    assert findings
    assert {tuple(finding.evidence["rows"]) for finding in findings} == {(len(tokenizer) - 2, len(tokenizer) - 1)}
    assert codes(findings, WARNING)
    for head in (False, True):
        table(model, head=head)[-2:] = table(model, head=head)[[40, 50]]
    assert not found("rows-untrained", model, tokenizer)


@pytest.mark.filterwarnings("ignore")
def test_reserved_tokens_may_be_untrained(tokenizer, model):
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|reserved_{i}|>" for i in range(3)]})
    model.resize_token_embeddings(len(tokenizer))
    assert {finding.severity for finding in found("rows-untrained", model, tokenizer)} == {INFO}


def test_a_table_that_was_made_anew(tmp_path):
    """A checkpoint loaded for another vocabulary with ignore_mismatched_sizes."""
    from transformers import AutoModelForCausalLM

    model = make_model("llama-untied", rows=1000)
    base, size = tmp_path / "base", 1010
    model.save_pretrained(base)
    assert not found("table-reinitialised", base)
    anew = AutoModelForCausalLM.from_pretrained(base, vocab_size=size, ignore_mismatched_sizes=True)
    anew.save_pretrained(tmp_path / "anew")
    for arguments in ({}, {"base": base}):
        findings = found("table-reinitialised", tmp_path / "anew", **arguments)
        assert codes(findings, ERROR)
        assert len(findings) == 2
    assert not found("table-reinitialised", base, base=base)


def test_an_untrained_model_is_not_blamed_for_being_random():
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(make_model("llama-untied", rows=1000).config)
    assert not found("table-reinitialised", model)


def test_old_rows_that_changed(model, tokenizer, folder):
    assert not found("old-rows-changed", model, tokenizer, base=folder)
    table(model)[[5, 6]] += 0.1
    [finding] = found("old-rows-changed", model, tokenizer, base=folder)
    assert (finding.severity, finding.evidence["rows"]) == (WARNING, [5, 6])
    [finding] = found("old-rows-changed", model, tokenizer, base=folder, training={"frozen_rows": 300})
    assert finding.severity is ERROR


def test_decay_leaves_its_trace_on_old_rows(model, tokenizer, folder):
    """AdamW with masked gradients, as people freeze old rows."""
    weight = model.get_input_embeddings().weight.requires_grad_()
    optimizer = torch.optim.AdamW([weight], lr=1e-2, weight_decay=0.1)
    for _ in range(5):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    [finding] = found("old-rows-changed", model, tokenizer, base=folder)
    assert finding.evidence["decay_factor"] == pytest.approx((1 - 1e-3) ** 5, abs=1e-5)
    settings = {"weight_decay": 0.1, "learning_rate": 1e-2, "frozen_rows": 300, "max_steps": 5}
    [finding] = found("weight-decay-moves-rows", model, training=settings)
    assert finding.evidence["shrinks_by"] == pytest.approx(1 - (1 - 1e-3) ** 5)
    for mended in ({"weight_decay": 0.0}, {"frozen_rows": 0}, {"target_modules": ["q_proj"]}):
        assert not found("weight-decay-moves-rows", model, training=settings | mended)


def test_a_head_that_is_missing(folder):
    assert not found("head-missing", folder)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    [finding] = found("head-missing", folder)
    assert finding.severity is ERROR
    edit(folder / "config.json", tie_word_embeddings=True)
    assert not found("head-missing", folder)


def test_a_tie_that_the_weights_contradict(tmp_path, tied, tokenizer):
    folder = save(tmp_path / "tied", tied, tokenizer)
    assert not found("tie-broken", folder)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert not found("tie-broken", folder)  # stored twice, equal, and tied
    weights["lm_head.weight"][9] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    [finding] = found("tie-broken", folder)
    assert (finding.severity, finding.evidence["rows"]) == (ERROR, [9])
    edit(folder / "config.json", tie_word_embeddings=False)
    assert not found("tie-broken", folder)


def test_a_tie_broken_in_memory(tied):
    assert not found("tie-broken", tied)
    fresh = torch.nn.Embedding(*tied.get_input_embeddings().weight.shape)
    tied.set_input_embeddings(fresh)
    assert codes(found("tie-broken", tied)) == {"tie-broken"}


def test_two_equal_tables_without_a_tie(model):
    assert not found("tie-broken", model)
    table(model, head=True).copy_(table(model))
    assert [finding.severity for finding in found("tie-broken", model)] == [INFO]


def test_a_size_that_contradicts_the_tables(folder, tokenizer):
    assert not found("vocab-size-mismatch", folder)
    edit(folder / "config.json", vocab_size=len(tokenizer) + 8)
    [finding] = found("vocab-size-mismatch", folder)
    assert (finding.severity, finding.fixable) == (ERROR, True)
    assert (finding.evidence["vocab_size"], finding.evidence["head_rows"]) == (len(tokenizer) + 8, len(tokenizer))


def test_tables_of_two_sizes(model):
    model.lm_head.weight = torch.nn.Parameter(torch.zeros(10, 32))
    [finding] = found("vocab-size-mismatch", model)
    assert not finding.fixable


def test_a_padded_table_is_no_mismatch(tmp_path, tokenizer):
    model = align(make_model("llama-untied", rows=len(tokenizer) + 20), tokenizer)
    assert not codes(tg.doctor(save(tmp_path / "m", model, tokenizer)), ERROR) - {"phantom-rows-mass"}


def test_phantom_rows_with_mass(tokenizer):
    """Rows of a resize to a multiple take mass like any others; rows that were pushed down do not."""
    model = align(make_model("gptj-bias", rows=len(tokenizer) + 20), tokenizer)
    [finding] = found("phantom-rows-mass", model, tokenizer)
    assert finding.severity in {ERROR, WARNING}
    assert finding.evidence["count"] == 20
    assert finding.evidence["mass"] > 0.001
    model.lm_head.bias.data[len(tokenizer) :] = -1e4
    assert not found("phantom-rows-mass", model, tokenizer)
    model.lm_head.bias.data[-1] = 1e4
    [finding] = found("phantom-rows-mass", model, tokenizer)
    assert (finding.severity, finding.evidence["chosen"]) == (ERROR, [len(tokenizer) + 19])


def test_large_tables_are_streamed(folder, monkeypatch):
    """No weight is read whole, and the model is not loaded where that is not wanted."""
    from tokengraft.diagnosis import weights

    monkeypatch.setattr(weights, "CHUNK_BYTES", 4096)
    read = []
    plain = weights.StoredWeights.rows
    monkeypatch.setattr(
        weights.StoredWeights, "rows", lambda self, name, a, b: read.append(b - a) or plain(self, name, a, b)
    )
    monkeypatch.setattr("tokengraft.diagnosis.sources.FolderSource.load", lambda _: pytest.fail("loaded"))
    assert not tg.doctor(folder, forward=False)
    assert max(read) <= 32


def test_shards_are_read(tmp_path, model, tokenizer):
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert not codes(tg.doctor(tmp_path), ERROR)
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == len(tokenizer)


def test_a_tokenizer_with_a_gap(tokenizer_texts):
    """Rows inside the table without a token are phantoms too."""
    tokenizer = make_tokenizer(tokenizer_texts)
    model = align(make_model("gptj-bias", rows=len(tokenizer)), tokenizer)
    assert not found("phantom-rows-mass", model, tokenizer)
