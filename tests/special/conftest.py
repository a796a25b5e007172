"""Model folders of the usual shapes, tied and untied, with and without padding rows."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

SHAPES = {
    "llama-untied": 316,
    "gpt2-tied": 316,
    "neox-untied": 318,
    "qwen2-tied": 384,
    "gemma2-tied-capped": 316,
    "gptj-bias": 317,
}
"""Rows of each; the tokenizer has 316 ids."""

TOKENS = {"<|user|>": ["cat", "dog"], "<|assistant|>": None, "<|pad|>": None}


@pytest.fixture(autouse=True, scope="session")
def short_texts():
    """What is fitted on is not what these tests are about: short texts are enough, and three times as quick."""
    from tokengraft.special import hearing, settling, settling_texts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hearing, "WIDTH", 16)
        patch.setattr(settling_texts, "WIDTH", 16)
        patch.setattr(settling_texts, "OWN_TEXTS", 8)
        patch.setattr(settling, "STEPS", 3)
        yield


def of_conftest(path, name):
    """A helper of another conftest; test modules are no package, so it is loaded by its path."""
    spec = spec_from_file_location("other_conftest", TESTS / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory, english):
    """From a shape's name to a model folder with its own byte-level tokenizer of 316 ids, made once."""
    made = {}
    save = of_conftest("flow/conftest.py", "save_model_folder")

    def make(name):
        if name not in made:
            made[name] = save(tmp_path_factory.mktemp(name), name, english, rows=SHAPES[name])
        return made[name]

    return make


@pytest.fixture(scope="session")
def base(make_folder):
    return make_folder("llama-untied")


@pytest.fixture
def loaded(base):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
