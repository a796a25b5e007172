"""The steps of the flow on Hugging Face objects, each as a user calls it."""

import copy
import json

import pytest
import torch

import tokengraft as tg
from tokengraft.config import CorpusConfig, DistillConfig, EvaluationConfig
from tokengraft.errors import ConfigError, CorpusError, ModelError, RunFolderError, TokengraftError, TokenizerError
from tokengraft.model import find_tables
from tokengraft.model.tables import same_bits

SHORT = {"steps": 4, "tokens_per_step": 300, "max_length": 48, "refit_positions": 2000}
SETTINGS = EvaluationConfig(window_bytes=256, max_bytes=1500)


def test_extend_grow_initialise_distill(model, model_folder, corpus_folder, extension, code):
    assert extension.size == 330
    assert len(extension.encode([code[30]])[0]) < len(extension.base.encode([code[30]])[0])
    before = copy.deepcopy(model.state_dict())
    ids = torch.arange(20)[None]
    logits = model(ids).logits
    assert tg.grow(model, extension) is model
    assert same_bits(model(ids).logits[..., :320], logits)
    rows = tg.initialise(model, extension)
    assert rows.inputs.shape == rows.head.shape == (30, 32)
    initialised = find_tables(model).input_weight[300:330].clone()
    outcome = tg.distill(model, model_folder, extension, corpus_folder, **SHORT)
    assert outcome.steps == len(outcome.losses) == 4
    tables = find_tables(model)
    assert not torch.equal(tables.input_weight[300:330], initialised)
    for name, value in model.state_dict().items():
        assert same_bits(value[:300] if value.shape[:1] == (330,) else value,
                         before[name][:300] if value.shape[:1] == (330,) else before[name]), name  # fmt: skip


def test_distill_leaves_no_gradients_and_no_settings_behind(grown, model_folder, extension, code):
    """A model from `from_pretrained` asks for gradients; after the phase it still does, and it holds none."""
    asked = [parameter.requires_grad for parameter in grown.parameters()]
    assert any(asked)
    tg.distill(grown, model_folder, extension, code[:20], **SHORT)
    assert all(parameter.grad is None for parameter in grown.parameters())
    assert [parameter.requires_grad for parameter in grown.parameters()] == asked
    assert not grown.training


def test_a_model_in_training_mode_is_read_without_dropout(grown, model_folder, extension, code):
    """Teacher and student must be the same frozen model; dropout would make them two."""
    grown.config.attention_dropout = 0.5
    for module in grown.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    other = copy.deepcopy(grown)
    grown.train()
    for each in (grown, other):
        tg.distill(each, model_folder, extension, code[:20], **SHORT)
    assert grown.training, "the mode is the user's"
    assert same_bits(find_tables(grown).input_weight, find_tables(other).input_weight)


@pytest.mark.parametrize("way", ["path", "text path", "config", "list", "generator"])
def test_a_corpus_may_be_given_in_any_way(grown, model_folder, corpus_folder, extension, way):
    texts = [path.read_text() for path in sorted(corpus_folder.iterdir())]
    corpus = {
        "path": corpus_folder,
        "text path": str(corpus_folder),
        "config": CorpusConfig(str(corpus_folder)),
        "list": texts,
        "generator": (text for text in texts),
    }[way]
    outcome = tg.distill(grown, model_folder, extension, corpus, **SHORT)
    assert sum(step["kl"] for step in outcome.losses) > 0


def test_the_same_seed_gives_the_same_rows(grown, model_folder, extension, code):
    others = [copy.deepcopy(grown) for _ in range(3)]
    for other, seed in zip(others, (1, 1, 2), strict=True):
        tg.distill(other, model_folder, extension, code[:60], seed=seed, **SHORT)
    first, second, third = (find_tables(other).input_weight for other in others)
    assert same_bits(first, second)
    assert not same_bits(first, third)


def test_settings_and_changes_go_together(grown, model_folder, extension, code):
    outcome = tg.distill(grown, model_folder, extension, code[:20], settings=DistillConfig(**SHORT), steps=2)
    assert outcome.steps == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": -1}, {"chunk": 0}, {"temperature": 0.0}, {"tokens_per_step": 0}, {"checkpoint_every": 0},
        {"stepz": 3}, {"objective": "klr"}, {"head_objective": "cee"}, {"max_length": 0}, {"max_length": -3},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(grown, model_folder, extension, code, changes):
    with pytest.raises(ConfigError):
        tg.distill(grown, model_folder, extension, code[:20], **{**SHORT, **changes})


def test_another_tokenizer_is_no_base(grown, extension, code, tmp_path):
    from transformers import PreTrainedTokenizerFast

    document = json.loads(extension.base.tokenizer.to_str())
    vocabulary = document["model"]["vocab"]
    last, before = sorted(vocabulary, key=vocabulary.get)[-1:-3:-1]
    smaller, swapped = copy.deepcopy(document), copy.deepcopy(document)
    smaller["model"]["vocab"].pop(last)
    smaller["model"]["merges"].pop()
    swapped["model"]["vocab"].update({last: vocabulary[before], before: vocabulary[last]})
    for name, changed in (("smaller", smaller), ("of the same size", swapped)):
        path = tmp_path / name
        path.mkdir()
        (path / "tokenizer.json").write_text(json.dumps(changed))
        PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json")).save_pretrained(path)
        with pytest.raises(TokenizerError, match="the one that was extended"):
            tg.distill(grown, path, extension, code[:20], **SHORT)


def test_the_base_may_be_a_folder_or_a_loaded_tokenizer(grown, model_folder, extension, code):
    from transformers import AutoTokenizer

    for base in (model_folder, str(model_folder), AutoTokenizer.from_pretrained(model_folder), extension.base):
        assert tg.distill(grown, base, extension, code[:20], **{**SHORT, "steps": 1}).steps == 1


@pytest.mark.parametrize("corpus", [[], ["a"], [""]], ids=["nothing", "one token", "an empty text"])
def test_a_corpus_with_nothing_to_compare_is_refused(grown, model_folder, extension, corpus):
    with pytest.raises(CorpusError):
        tg.distill(grown, model_folder, extension, corpus, **SHORT)


def test_a_corpus_that_is_not_there_is_refused(grown, model_folder, extension):
    with pytest.raises(CorpusError, match="nothing at nowhere"):
        tg.distill(grown, model_folder, extension, "nowhere/", **SHORT)


def test_a_model_that_was_not_grown_is_refused(model, model_folder, corpus_folder, code):
    bigger = tg.extend_tokenizer(model_folder, corpus_folder, size=40)
    assert bigger.size > find_tables(model).rows
    with pytest.raises(ModelError, match="grow"):
        tg.distill(model, model_folder, bigger, code[:20], **SHORT)
    with pytest.raises(ModelError, match="grow"):
        tg.initialise(model, bigger)


def test_grow_loads_a_model_by_its_path(model_folder, extension):
    model = tg.grow(str(model_folder), extension, pad_to_multiple_of=64)
    assert find_tables(model).rows == 384
    with pytest.raises(ModelError, match="no folder"):
        tg.grow("./nowhere", extension)


def test_unknown_methods_are_refused(model, extension):
    tg.grow(model, extension)
    with pytest.raises(ConfigError, match="initialiser 'magic'"):
        tg.initialise(model, extension, inputs="magic")
    with pytest.raises(ConfigError, match="initialiser 'magic'"):
        tg.initialise(model, extension, head="magic")


def test_evaluate(grown, model_folder, extension, code, english):
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model_folder)
    card = tg.evaluate(grown, base, extension, code[30:36], english[:6], name="mine", settings=SETTINGS)
    assert card["name"] == "mine"
    assert card["base"]["name"] == "base"
    for part in ("domain", "general"):
        assert card[part]["bytes"] == card["base"][part]["bytes"] > 0
        assert card[part]["bits_per_byte"] > 0
        assert card["base"][part]["kl_to_base"] == 0
    assert card["domain"]["kl_to_base"] > 0
    assert card["domain"]["tokens"] < card["base"]["domain"]["tokens"]
    again = tg.evaluate(grown, None, extension, code[30:36], english[:6], name="mine", settings=SETTINGS)
    assert again == card, "the old rows of a grown model are the base's"


def test_evaluate_takes_one_text_alone(grown, corpus_folder, extension):
    card = tg.evaluate(grown, None, extension, corpus_folder, settings=SETTINGS)
    assert card["general"] is card["base"]["general"] is None


def test_evaluate_wants_text_of_the_domain(grown, extension):
    with pytest.raises(TokengraftError):
        tg.evaluate(grown, None, extension, [])


def test_a_page_wants_a_run(tmp_path):
    with pytest.raises(RunFolderError):
        tg.report(tmp_path / "nowhere")
    with pytest.raises(RunFolderError):
        tg.report(str(tmp_path))


def test_what_was_made_loads_in_transformers_alone(grown, extension, tmp_path, code):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    grown.save_pretrained(tmp_path)
    extension.save(tmp_path)
    tokenizer, model = AutoTokenizer.from_pretrained(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = tokenizer(code[40], return_tensors="pt")["input_ids"]
    assert ids[0].tolist() == extension.encode([code[40]])[0]
    assert torch.equal(model(ids).logits, grown(ids).logits)
