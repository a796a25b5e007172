"""A model folder and a folder of text, as a user has them."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def of_conftest(path, name):
    """A helper of another conftest; test modules are no package, so it is loaded by its path."""
    spec = spec_from_file_location("other_conftest", TESTS / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, english):
    """A Llama with an untied head and padded tables, and its own byte-level tokenizer."""
    save = of_conftest("flow/conftest.py", "save_model_folder")
    return save(tmp_path_factory.mktemp("llama"), "llama-untied", english, size=300, rows=320)


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory, code):
    """Twenty files of the domain."""
    folder = tmp_path_factory.mktemp("corpus")
    for number, text in enumerate(code[:20]):
        (folder / f"{number}.txt").write_text(text)
    return folder


@pytest.fixture(scope="session")
def extension(model_folder, corpus_folder):
    import tokengraft as tg

    return tg.extend_tokenizer(model_folder, corpus_folder, size=30)


@pytest.fixture
def model(model_folder):
    """As a user loads it: its parameters ask for gradients."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model_folder)


@pytest.fixture
def grown(model, extension):
    import tokengraft as tg

    tg.grow(model, extension)
    tg.initialise(model, extension)
    return model
