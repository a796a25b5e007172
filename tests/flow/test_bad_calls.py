"""What cannot work is said when it is asked of the steps, from Python."""

import pytest
from transformers import AutoModelForCausalLM

import tokengraft as tg
from tokengraft.config import EvaluationConfig
from tokengraft.errors import ConfigError, CorpusError, ModelError, TokenizerError


@pytest.fixture(scope="module")
def extension(model_folder, corpus_file):
    return tg.extend_tokenizer(model_folder, corpus_file, size=30)


@pytest.fixture
def base(model_folder):
    return AutoModelForCausalLM.from_pretrained(model_folder)


@pytest.fixture
def grown(base, extension):
    tg.grow(base, extension)
    tg.initialise(base, extension)
    return base


def test_rows_are_written_into_a_model_that_somebody_holds(model_folder, extension, code):
    for model in (str(model_folder), model_folder, None, 3):
        with pytest.raises(ModelError, match="load and grow it first"):
            tg.initialise(model, extension)
        with pytest.raises(ModelError, match="load and grow it first"):
            tg.distill(model, model_folder, extension, code)


def test_a_model_that_was_not_grown(base, model_folder, extension, code):
    for step in (
        lambda: tg.initialise(base, extension),
        lambda: tg.distill(base, model_folder, extension, code),
        lambda: tg.evaluate(base, None, extension, code),
    ):
        with pytest.raises(ModelError, match="grow the model first"):
            step()


@pytest.mark.parametrize("rows", [0, -8])
def test_a_multiple_that_is_none(base, extension, rows):
    with pytest.raises(ConfigError, match=f"pad_to_multiple_of = {rows}"):
        tg.grow(base, extension, pad_to_multiple_of=rows)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"stepz": 1}, "did you mean steps"),
        ({"steps": -1}, "distill.steps = -1"),
        ({"steps": "many"}, "steps = 'many'"),
        ({"max_length": 3}, "distill.max_length = 3"),
    ],
)
def test_settings_of_distill(grown, model_folder, extension, code, changes, found):
    with pytest.raises(ConfigError, match=found):
        tg.distill(grown, model_folder, extension, code, **changes)


def test_settings_of_evaluate(grown, extension, code):
    with pytest.raises(ConfigError, match=r"evaluation\.max_bytes = 0"):
        tg.evaluate(grown, None, extension, code, settings=EvaluationConfig(max_bytes=0))


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text(grown, model_folder, extension, texts):
    with pytest.raises(CorpusError):
        tg.distill(grown, model_folder, extension, texts)
    with pytest.raises(CorpusError):
        tg.evaluate(grown, None, extension, texts)


def test_another_base(grown, extension, code):
    from tokenizers import Tokenizer, models

    with pytest.raises(TokenizerError, match="the one that was extended"):
        tg.distill(grown, Tokenizer(models.BPE({"a": 0}, [])), extension, code)


def test_evaluate_loads_models_by_their_path(grown, model_folder, extension, code, tmp_path):
    grown.save_pretrained(tmp_path)
    settings = EvaluationConfig(max_bytes=1000, window_bytes=256)
    by_path = tg.evaluate(tmp_path, str(model_folder), extension, code[:4], settings=settings)
    assert by_path == tg.evaluate(grown, None, extension, code[:4], settings=settings)
    with pytest.raises(ModelError, match="no folder"):
        tg.evaluate("./nowhere", None, extension, code[:4])
