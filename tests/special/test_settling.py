"""Settling: the texts with tokens in them, the gradient against plain autograd, what moves, and what it is for."""

import json

import pytest
import torch
from torch.nn.functional import log_softmax
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR
from tokengraft.errors import ConfigError, CorpusError, TokenizerError
from tokengraft.model.rows import frozen
from tokengraft.special import settling, settling_task, settling_texts
from tokengraft.special.graft import graft
from tokengraft.special.plan import make_plan
from tokengraft.special.settling_texts import Text, asked_texts, batch_of, settled_tokens

from .conftest import SHAPES, TOKENS, files_of

TALKS = [[{"role": "user", "content": "the cat sat"}, {"role": "assistant", "content": "on the mat"}]] * 5


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(settling, "STEPS", 3)
    monkeypatch.setattr(settling, "EVERY", 1)
    monkeypatch.setattr(settling, "ENOUGH", 0.0)
    monkeypatch.setattr(settling_texts, "WIDTH", 24)
    monkeypatch.setattr(settling_texts, "OWN_TEXTS", 8)


def test_what_is_left_without_the_tokens_is_the_text():
    texts = [Text(tuple(range(10, 20))), Text((7, 8, 9, 10, 11)), Text((5, 6, 7, 8), ((0, 101), (2, 102), (4, 100)))]
    batch = batch_of(texts, [100, 101, 102], 7, torch.Generator().manual_seed(0))
    rows = [[number for number in row if 0 < number < 100] for row in batch.ids.tolist()]
    assert rows == [list(text.ids) for text in texts]
    assert batch.ids[2, :7].tolist() == [101, 5, 6, 102, 7, 8, 100]
    assert batch.ids[1, 0] == 7  # the begin token stays first
    assert batch.target.tolist() == [number for text in texts for number in text.ids[1:]]
    for row, column, target, behind in zip(batch.row, batch.column, batch.target, batch.behind, strict=True):
        assert batch.ids[row, column + 1] == target
        assert bool(behind) == (batch.ids[row, column] >= 100)


@pytest.mark.parametrize("name", ["llama-untied", "qwen2-tied", "gemma2-tied-capped", "gptj-bias"])
def test_the_gradient_is_that_of_autograd(make_folder, name, monkeypatch):
    monkeypatch.setattr(settling_task, "CHUNK", 5)
    monkeypatch.setattr(settling_task, "LOUDNESS", 1.0)
    model = AutoModelForCausalLM.from_pretrained(make_folder(name)).float()
    made = graft(model, make_plan(make_folder(name), TOKENS)).made.new
    texts = [Text((1, 5, 9, 12, 7, 30)), Text((4, 8, 2, 77))]
    with frozen(model):
        task = settling_task.Task(model, made, 316, [316, 317], texts, None, 0)
        batch = batch_of(texts, [316, 317], None, torch.Generator().manual_seed(0))
        task.rows.inputs.grad = torch.zeros_like(task.rows.inputs)
        task._backward(texts, batch)
        table = model.get_input_embeddings().weight
        teacher = torch.cat([model(torch.tensor([text.ids])).logits[0, :-1, :316] for text in texts])
        table.requires_grad_(True)
        logits = model(batch.ids).logits[batch.row, batch.column][:, :319]
        kl = teacher.softmax(1) * (log_softmax(teacher, 1) - log_softmax(logits, 1)[:, :316])
        kl.sum(1).mean().backward()
    wanted = table.grad[316:318]
    assert wanted.abs().max() > 1e-6
    torch.testing.assert_close(task.rows.inputs.grad[:2], wanted, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.usefixtures("short")
def test_only_control_tokens_move(make_folder, name, tmp_path):
    base = make_folder(name)
    wanted = {**TOKENS, "<|stop|>": {"role": "eos"}}
    settings = {"replace": ["eos"], "pad_to_multiple_of": 64}
    tg.add_special_tokens(base, None, wanted, out=tmp_path / "plain", settle=False, **settings)
    report = tg.add_special_tokens(base, None, wanted, out=tmp_path / "settled", settle=True, **settings)
    plain, settled = (AutoModelForCausalLM.from_pretrained(tmp_path / part) for part in ("plain", "settled"))
    tables = [model.get_input_embeddings().weight for model in (plain, settled)]
    moved = (tables[0] != tables[1]).any(1).nonzero()[:, 0].tolist()
    assert set(moved) <= {316, 317}
    if plain.get_output_embeddings().weight is not tables[0]:
        assert torch.equal(plain.get_output_embeddings().weight, settled.get_output_embeddings().weight)
        assert tables[1][316:318].norm(dim=1).max() <= tables[1][:316].norm(dim=1).max() * 1.001
    assert report.settled.tokens == (316, 317)
    assert report.settled.steps == 3
    assert abs(report.settled.after.total) <= abs(report.settled.before.total) + 1e-3
    json.dumps(report.to_dict())
    tg.remove_special_tokens(tmp_path / "settled", out=tmp_path / "back")
    assert files_of(tmp_path / "back") == files_of(base)


@pytest.mark.usefixtures("short")
def test_a_loaded_model_and_its_way_back(loaded):
    model, tokenizer = loaded
    before = [model.get_input_embeddings().weight.detach().clone(), dict(model.config.to_dict())]
    report = tg.add_special_tokens(
        model, tokenizer, TOKENS, settle=TALKS, chat_template="roles", template_tokens={"<|end|>": "<|end|>"}
    )
    assert not report.settled.own
    assert report.settled.texts == 5
    assert all(parameter.requires_grad for parameter in model.parameters())
    report.undo()
    assert torch.equal(model.get_input_embeddings().weight, before[0])
    assert model.config.to_dict() == before[1]


def test_texts_from_files_keep_the_places_of_their_tokens(base, tmp_path):
    plan = make_plan(base, TOKENS, chat_template="roles")
    user, assistant = plan.file.ids["<|user|>"], plan.file.ids["<|assistant|>"]
    assert settled_tokens(plan) == [user, assistant]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": TALKS[0]}) + '\n{"text": "the cat sat on it"}\n')
    talk, text = asked_texts(plan, tmp_path / "talk.jsonl")
    assert [token for _, token in talk.places] == [user, assistant]
    assert talk.places[0][0] == 0
    assert text.places == ()
    assert max(talk.ids) < plan.base_size
    (tmp_path / "plain.txt").write_text("the cat sat on\n\nthe <|user|>dog sat on the mat\n\n")
    first, second = asked_texts(plan, str(tmp_path / "plain.txt"))
    assert (first.places, [token for _, token in second.places]) == ((), [user])


def test_the_template_says_which_token_begins(base):
    plan = make_plan(base, {"<|assistant|>": None, "<|user|>": None}, chat_template="roles")
    assert settled_tokens(plan) == [plan.file.ids["<|user|>"], plan.file.ids["<|assistant|>"]]


@pytest.mark.parametrize(
    ("tokens", "settle", "error", "words"),
    [
        ({"<|pad|>": None}, True, ConfigError, "no token that stands between texts"),
        (TOKENS, "nowhere.jsonl", CorpusError, "nowhere.jsonl"),
        (TOKENS, "nowhere.txt", CorpusError, "nowhere.txt"),
        (TOKENS, ["a", ""], CorpusError, "no text of 4 tokens"),
        (TOKENS, TALKS, TokenizerError, "without a chat template"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(base, tmp_path, tokens, settle, error, words):
    with pytest.raises(error, match=words):
        tg.add_special_tokens(base, None, tokens, settle=settle, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("most", "wanted"), [(10**9, True), (0, False)])
def test_a_small_model_is_settled_unasked(loaded, monkeypatch, most, wanted):
    monkeypatch.setitem(settling.UNASKED, "cpu", most)
    report = tg.add_special_tokens(*loaded, TOKENS)
    assert (report.settled is not None) == wanted
    assert any("--settle own" in note for note in report.notes) != wanted
    report.undo()
    assert tg.add_special_tokens(*loaded, TOKENS, settle="own").settled is not None


def test_a_pad_token_alone_and_a_refusal_settle_nothing(loaded, monkeypatch):
    monkeypatch.setitem(settling.UNASKED, "cpu", 0)
    report = tg.add_special_tokens(*loaded, {"<|pad|>": None})
    assert (report.settled, report.notes) == (None, ())
    report.undo()
    monkeypatch.setitem(settling.UNASKED, "cpu", 10**9)
    assert tg.add_special_tokens(*loaded, TOKENS, settle="no").settled is None


def test_own_texts_end_at_the_end_token(loaded, monkeypatch):
    model, _ = loaded
    rows = torch.tensor([[7, 5, 9, 3, 8, 8], [3, 5, 6, 4, 8, 8], [7, 3, 6, 4, 8, 8]])
    monkeypatch.setattr(settling_texts, "written", lambda *_: rows)
    made = settling_texts.own_texts(model, [316], 316, None, 3, 0)
    whole = [text.ids for text in made if text.turn is None]
    assert whole == [(7, 5, 9, 3), (3, 5, 6, 4, 8, 8)]  # two tokens are no text
    made = settling_texts.own_texts(model, [316], 316, None, None, 0)
    assert [text.ids for text in made if text.turn is None] == [tuple(row) for row in rows.tolist()]
    assert sum(text.turn is not None for text in made) == 1  # of the first two: the third has no partner


def test_two_texts_are_joined_as_turns(loaded, monkeypatch):
    """Their beginnings, without what ended the first or began the second; the tokens stand before each."""
    model, _ = loaded
    rows = torch.tensor([[7, 5, 3, 8, 8, 8, 8, 8], [7, 6, 4, 9, 11, 12, 13, 14]])
    monkeypatch.setattr(settling_texts, "written", lambda *_: rows)
    monkeypatch.setattr(settling_texts, "WIDTH", 8)
    monkeypatch.setattr(settling_texts, "SHORTEST", 3)
    [turn] = [text for text in settling_texts.own_texts(model, [316, 317], 316, 7, 3, 0) if text.turn is not None]
    assert turn == Text((7, 5, 6, 4, 9, 11), turn=2)
    batch = batch_of([turn], [316, 317], 7, torch.Generator().manual_seed(0))
    assert batch.ids.tolist() == [[7, 316, 5, 317, 6, 4, 9, 11]]
    assert batch.target[batch.behind].tolist() == [5, 6]
    assert turn.cut(2).turn is None


def test_texts_cost_less_with_settled_tokens(monkeypatch):
    """On the bundled model; the figures at full length are those of benchmarks/special_tokens.py."""
    monkeypatch.setattr(settling, "STEPS", 20)
    monkeypatch.setattr(settling_texts, "WIDTH", 48)
    monkeypatch.setattr(settling_texts, "OWN_TEXTS", 16)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(MODEL_DIR), AutoTokenizer.from_pretrained(MODEL_DIR)
    wanted = {"<|user|>": ["user", "User"], "<|assistant|>": ["assistant"], "<|pad|>": None}
    settled = tg.add_special_tokens(model, tokenizer, wanted, settle="own").settled
    assert settled.before.total > 0.05
    assert settled.after.total < 0.6 * settled.before.total
    # What the model writes itself differs with the number of threads, and what it costs by a factor of ten.
    assert settled.after.elsewhere < 0.6 * settled.before.elsewhere
