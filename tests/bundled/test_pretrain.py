"""The script that made the bundled model, piece by piece and as a whole on a tiny recipe."""

import dataclasses
import json
import sys
from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from tokengraft.bundled import pretrain
from tokengraft.bundled.card import card, write_card
from tokengraft.bundled.material import BEGIN, END, kept_tokenizer, token_stream, train_tokenizer, training_rows
from tokengraft.bundled.pretrain import (
    Clock,
    Material,
    Recipe,
    build_model,
    build_optimizers,
    heldout_bits,
    rate_factor,
    save_model,
    train,
)

TINY = Recipe(vocabulary=300, hidden=16, layers=1, heads=2, key_value_heads=1, intermediate=32, context=32, rows=4)


@pytest.fixture(scope="module")
def tokenizer():
    import random

    draw = random.Random(0)
    return train_tokenizer(sources(draw, 200), TINY.vocabulary)


def sources(draw, number):
    names = ("value", "result", "index", "name", "total")
    return [
        "\n".join(f"    {draw.choice(names)} = {draw.choice(names)} + {draw.randrange(99)}" for _ in range(12))
        for _ in range(number)
    ]


@pytest.fixture(scope="module")
def material(tokenizer):
    import random

    return Material(tokenizer, sources(random.Random(1), 100), sources(random.Random(2), 6))


def test_the_tokenizer_has_the_asked_size_and_keeps_every_text(tokenizer):
    assert tokenizer.get_vocab_size() == TINY.vocabulary
    assert [tokenizer.token_to_id(name) for name in (BEGIN, END)] == [0, 1]
    for text in ("value = 1\n", "grüß 你好 🙂\r\n\t x", "don't  STOP 12345", ""):
        ids = tokenizer.encode(text).ids
        assert ids[0] == 0
        assert tokenizer.decode(ids[1:]) == text


def test_the_tokenizer_splits_as_llama_3_does(tokenizer):
    pieces = tokenizer.pre_tokenizer.pre_tokenize_str("foo(bar_baz) = 12345\n    don't")
    assert [piece.replace("Ġ", " ").replace("Ċ", "\n") for piece, _ in pieces] == [
        "foo", "(bar", "_baz", ")", " =", " ", "123", "45", "\n", "   ", " don", "'t",
    ]  # fmt: skip


def test_a_tokenizer_is_trained_once(tmp_path, tokenizer):
    first = kept_tokenizer(tmp_path, ["a b c"], 262)
    again = kept_tokenizer(tmp_path, ["something else"] * 9, 270)
    assert first.to_str() == again.to_str() != tokenizer.to_str()


def test_texts_stand_between_begin_and_end(tokenizer):
    stream = token_stream(tokenizer, ["value", f"x {BEGIN}"])
    for ids in stream:
        assert ids.dtype == np.uint16
        assert (ids[0], ids[-1]) == (0, 1)
    assert tokenizer.decode(stream[0][1:-1].tolist()) == "value"


@pytest.fixture
def documents():
    """Forty documents of known ids between begin and end."""
    draw = np.random.default_rng(0)
    return [np.array([0, *draw.integers(2, 300, draw.integers(5, 90)), 1], np.uint16) for _ in range(40)]


def test_every_row_begins_with_begin(documents):
    for batch in islice(training_rows(documents, 16, 4, 3, 0), 60):
        assert batch.shape == (4, 16)
        assert batch.dtype == torch.int64
        assert not batch[:, 0].any()
        assert batch.max() < 300


@pytest.mark.parametrize("skip", [1, 17, 70])
def test_skipped_batches_are_the_same_batches(documents, skip):
    whole = list(islice(training_rows(documents, 16, 4, 3, 0), skip, skip + 10))
    for one, other in zip(whole, islice(training_rows(documents, 16, 4, 3, skip), 10), strict=True):
        assert torch.equal(one, other)


def test_an_epoch_reads_nearly_everything_once_and_the_next_in_another_order(documents):
    total = sum(map(len, documents))
    epoch = total // 15 // 4
    rows = [tuple(row) for batch in islice(training_rows(documents, 16, 4, 3, 0), epoch - 2) for row in batch.tolist()]
    assert len(set(rows)) == len(rows)
    stream = np.concatenate(documents).tolist()
    joined = {tuple(stream[start : start + 5]) for start in range(len(stream) - 4)}
    inside = [row for row in rows if 1 not in row]
    assert inside
    assert all(tuple(row[1:6]) in joined for row in inside), "rows are stretches of documents"
    following = list(islice(training_rows(documents, 16, 4, 3, epoch), epoch))
    assert {tuple(row) for batch in following for row in batch.tolist()} != set(rows)


def test_rates_warm_up_hold_and_fall():
    recipe = Recipe()
    factors = [rate_factor(step / 1000, recipe) for step in range(1001)]
    assert factors[0] == factors[-1] == 0
    assert all(0 <= factor <= 1 for factor in factors)
    assert rate_factor(0.01, recipe) == pytest.approx(0.5)
    assert rate_factor(0.5, recipe) == 1
    assert rate_factor(0.825, recipe) == pytest.approx(0.5)
    assert all(later <= earlier for earlier, later in pairwise(factors[650:]))


def test_the_clock_goes_by_steps_where_they_are_given():
    assert Clock(80, None).progress == Clock(80, 10).progress == 0
    assert Clock(80, 10, step=5, spent=99999).progress == 0.5
    assert Clock(80, None, step=5, spent=40 * 60).progress == 0.5
    assert Clock(80, None, spent=99999).progress == Clock(80, 10, step=11).progress == 1


def test_matrices_tables_and_norms_have_their_own_optimizer():
    model = build_model(TINY)
    assert not model.config.tie_word_embeddings
    muon, adam = build_optimizers(model, TINY)
    groups = [group for optimizer in (muon, adam) for group in optimizer.param_groups]
    members = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(members) == sorted(id(parameter) for parameter in model.parameters())
    tables = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    assert not tables & {id(parameter) for parameter in muon.param_groups[0]["params"]}
    assert groups[-1]["weight_decay"] == 0
    assert all(parameter.ndim == 1 for parameter in groups[-1]["params"])


def test_a_recipe_has_one_result():
    assert all(torch.equal(*pair) for pair in zip(build_model(TINY).parameters(), build_model(TINY).parameters(),
                                                 strict=True))  # fmt: skip


def test_training_learns(material, tmp_path):
    model = build_model(TINY)
    before = heldout_bits(model, material.tokenizer, material.heldout, TINY.context)
    curve = train(model, material, TINY, Clock(0, 200), tmp_path, "cpu")
    assert [entry["step"] for entry in curve] == [200]
    assert curve[0]["heldout_bits_per_byte"] < 0.7 * before
    again = heldout_bits(model, material.tokenizer, material.heldout, TINY.context)
    assert curve[0]["heldout_bits_per_byte"] == pytest.approx(again, abs=1e-4)
    assert model.training
    assert not (tmp_path / "checkpoint.pt").exists(), "a run of seconds writes none"


class StoppedError(Exception):
    """Stands for a kill between two steps."""


def test_a_stopped_training_goes_on_to_the_same_weights(material, tmp_path, monkeypatch):
    whole, stopped, fresh = (build_model(TINY) for _ in range(3))
    (tmp_path / "whole").mkdir()
    train(whole, material, TINY, Clock(0, 6), tmp_path / "whole", "cpu")
    seconds = iter(range(0, 10**9, 300))
    monkeypatch.setattr(pretrain.time, "monotonic", lambda: next(seconds))
    steps = []

    def step(*arguments):
        if len(steps) == 3:
            raise StoppedError
        steps.append(1)
        return real(*arguments)

    real = pretrain.train_step
    monkeypatch.setattr(pretrain, "train_step", step)
    with pytest.raises(StoppedError):
        train(stopped, material, TINY, Clock(0, 6), tmp_path, "cpu")
    monkeypatch.setattr(pretrain, "train_step", real)
    clock = Clock(0, 6)
    train(fresh, material, TINY, clock, tmp_path, "cpu")
    assert clock.step == 6
    assert clock.spent > 3 * 300, "the time of the first start counts"
    for name, value in whole.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name


@pytest.fixture(scope="module")
def made(material, tmp_path_factory):
    """The folder that the script leaves, made by its own main on a tiny recipe and a few texts."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain, "Recipe", lambda: dataclasses.replace(TINY))
        patch.setattr(pretrain, "general_texts", lambda *, heldout: enumerate(
            material.heldout if heldout else material.training))  # fmt: skip
        patch.setattr(sys, "argv", ["pretrain", "--out", str(folder), "--steps", "3"])
        pretrain.main()
    return folder


def test_the_script_leaves_a_plain_model(made, material):
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(made), AutoTokenizer.from_pretrained(made)
    assert model.dtype == torch.bfloat16
    assert len(tokenizer) == model.config.vocab_size == TINY.vocabulary
    assert (tokenizer.bos_token, tokenizer.eos_token) == (BEGIN, END)
    text = material.heldout[0]
    assert tokenizer(text)["input_ids"] == Tokenizer.from_file(str(made / "tokenizer.json")).encode(text).ids


def test_the_script_leaves_figures_and_a_card(made):
    figures = json.loads((made / "training.json").read_text())
    assert (figures["steps"], figures["tokens"]) == (3, 3 * 4 * 32)
    assert figures["training_files"] == 100
    assert figures["heldout_files"] == 6
    assert figures["recipe"] == dataclasses.asdict(TINY)
    text = (made / "README.md").read_text()
    assert f"{figures['heldout_bits_per_byte']:.3f} bits per byte" in text
    assert "--steps 3" in text
    before = text
    assert write_card(made).read_text() == before


def test_a_card_shows_the_curve_and_what_the_model_writes(made):
    figures = json.loads((made / "training.json").read_text())
    row = {"step": 200, "seconds": 120, "train_nats": 2.5, "heldout_bits_per_byte": 1.75}
    text = card({**figures, "curve": [row]}, [("def f(", "x):")])
    assert "| 200 | 2 | 2.500 | 1.750 |" in text
    assert "```python\ndef f(¦x):\n```" in text


def test_a_model_is_saved_without_its_training(material, tmp_path):
    save_model(build_model(TINY), material.tokenizer, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert not any(name.endswith((".bin", ".pt")) for name in names)
