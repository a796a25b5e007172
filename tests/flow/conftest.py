"""A model folder as a user would have one, a corpus beside it, and the program in a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def shared(name):
    """A helper of the shared conftest; test modules are no package, so it is loaded by its path."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("shared_conftest", TESTS / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def save_model_folder(path, name, texts, size=400, rows=400):
    from transformers import PreTrainedTokenizerFast

    tokenizer = shared("make_byte_level_bpe")(texts, size)
    shared("make_model")(name, rows).save_pretrained(path)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|end|>", eos_token="<|end|>").save_pretrained(path)
    return path


def write_jsonl(path, texts, field="text"):
    path.write_text("".join(json.dumps({field: text}) + "\n" for text in texts))
    return path


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, english):
    """A GPT-2 model with tied, padded tables and its own byte-level tokenizer, as transformers saves them."""
    return save_model_folder(tmp_path_factory.mktemp("gpt2"), "gpt2-tied", english, rows=330)


@pytest.fixture
def untied_bfloat16_folder(tmp_path, english):
    """A Llama with an untied head and padded tables, stored in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = save_model_folder(tmp_path / "llama", "llama-untied", english, rows=448)
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory, code):
    return write_jsonl(tmp_path_factory.mktemp("corpus") / "code.jsonl", code)


@pytest.fixture(scope="session")
def general_file(tmp_path_factory, english):
    return write_jsonl(tmp_path_factory.mktemp("corpus") / "english.jsonl", english[:40])


SMALL = {
    "tokens": {"size": 30},
    "distill": {"steps": 12, "tokens_per_step": 400, "max_length": 64, "checkpoint_every": 3},
    "evaluation": {"max_bytes": 6000, "window_bytes": 256, "prompts": 2, "prompt_tokens": 8, "samples": 1},
}


@pytest.fixture
def settings(model_folder, corpus_file, general_file):
    """Settings of a run that takes seconds."""
    return {"model": str(model_folder), "corpus": str(corpus_file), "general": str(general_file), "seed": 1, **SMALL}


@pytest.fixture
def config_file(settings, tmp_path):
    path = tmp_path / "run.json.yaml"
    path.write_text(json.dumps(settings))
    return path


def command(*arguments):
    return [sys.executable, "-m", "tokengraft", *map(str, arguments)]


def environment(**changes):
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **changes}


@pytest.fixture
def program():
    """Runs one command of the program in a fresh process; gives the finished process."""

    def run(*arguments, **changes):
        return subprocess.run(
            command(*arguments), env=environment(**changes), capture_output=True, text=True, timeout=300, check=False
        )

    return run


@pytest.fixture
def start():
    """Starts one command of the program and gives the running process."""

    def run(*arguments):
        return subprocess.Popen(
            command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    return run
