"""Small set-ups as users build them: a tokenizer of its own, a tiny model, both saved as folders."""

import functools
import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest


def shared(name):
    """A helper of the shared conftest; test modules are no package, so it is loaded by its path."""
    spec = spec_from_file_location("shared_conftest", Path(__file__).resolve().parents[1] / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


make_byte_level_bpe, make_model, TINY = shared("make_byte_level_bpe"), shared("make_model"), shared("TINY")

CHAT = "{% for m in messages %}<|user|>{{ m['content'] }}{{ END }}{% endfor %}"
"""A template; END stands for what closes a turn."""


def make_tokenizer(texts, size=300, specials=("<|begin|>", "<|end|>", "<|pad|>"), **roles):
    """A Hugging Face tokenizer with bos, eos and pad, which loads in transformers 4 and 5."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(trained(tuple(texts), size, specials))
    named = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "pad_token": "<|pad|>", **roles}
    named = {role: token for role, token in named.items() if token}
    return PreTrainedTokenizerFast(tokenizer_object=backend, padding_side="left", **named)


@functools.cache
def trained(texts, size, specials):
    """A tokenizer as JSON: each test gets one of its own, and few are trained."""
    return make_byte_level_bpe(texts, size, specials).to_str()


def align(model, tokenizer):
    """Ids of the roles as the tokenizer has them, in both settings."""
    for role in ("bos", "eos", "pad"):
        number = getattr(tokenizer, f"{role}_token_id")
        setattr(model.config, f"{role}_token_id", number)
        setattr(model.generation_config, f"{role}_token_id", number)
    return model


def save(folder, model, tokenizer):
    """Both in one folder, as users keep them; the tokenizer's class is the one that both versions load."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    edit(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    return folder


def edit(file, **values):
    """Changes members of a JSON file; None takes one away."""
    held = json.loads(file.read_text()) | values
    file.write_text(json.dumps({name: value for name, value in held.items() if value is not None}))


@pytest.fixture(scope="session")
def tokenizer_texts(english, code):
    return english + code


@pytest.fixture
def tokenizer(tokenizer_texts):
    return make_tokenizer(tokenizer_texts)


@pytest.fixture
def model(tokenizer):
    return align(make_model("llama-untied", rows=len(tokenizer)), tokenizer)


@pytest.fixture
def tied(tokenizer):
    return align(make_model("qwen2-tied", rows=len(tokenizer)), tokenizer)


@pytest.fixture
def folder(tmp_path, model, tokenizer):
    return save(tmp_path / "model", model, tokenizer)


def found(code, *arguments, **named):
    """The findings of one check alone."""
    import tokengraft as tg

    return tg.doctor(*arguments, only=[code], **named)


def codes(findings, *severities):
    """Codes of the findings, of these severities alone if any are given."""
    return {finding.code for finding in findings if not severities or finding.severity in severities}
