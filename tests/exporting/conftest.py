"""Finished runs of an untied and of a tied model, small enough to be made for these tests."""

import subprocess
import sys
import traceback
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

collect_ignore = ["standin"]
"""Programs that stand in for llama.cpp's: no tests, and not to be imported here."""

TESTS = Path(__file__).resolve().parents[1]


def flow(name):
    spec = spec_from_file_location("flow_conftest", TESTS / "flow" / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture(scope="session", params=["llama-untied", "gpt2-tied"])
def run(request, tmp_path_factory, english, code):
    """(folder of a finished run, folder of its base)."""
    from tokengraft.pipeline import expand

    place = tmp_path_factory.mktemp(request.param)
    base = flow("save_model_folder")(place / "base", request.param, english, rows=400)
    corpus = flow("write_jsonl")(place / "code.jsonl", code)
    settings = flow("SMALL") | {"model": str(base), "corpus": str(corpus), "out": str(place / "run")}
    return expand(settings).path, base


@pytest.fixture(scope="session", params=["llama-untied", "gpt2-tied"])
def lora_run(request, tmp_path_factory, english, code):
    """(folder of a run with a phase of LoRA, folder of its base); the untied base is stored in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    from tokengraft.pipeline import expand

    place = tmp_path_factory.mktemp(f"lora-{request.param}")
    base = flow("save_model_folder")(place / "base", request.param, english, rows=400)
    if request.param == "llama-untied":
        AutoModelForCausalLM.from_pretrained(base).to(torch.bfloat16).save_pretrained(base)
    corpus = flow("write_jsonl")(place / "code.jsonl", code)
    lora = {"phase": "lora", "steps": 3, "tokens_per_step": 400, "max_length": 64, "rank": 2, "rate": 1e-2}
    settings = flow("SMALL") | {"model": str(base), "corpus": str(corpus), "out": str(place / "run")}
    return expand(settings | {"phases": ["rows", lora]}).path, base


@pytest.fixture(scope="session")
def exported(run, tmp_path_factory):
    """From a format's name to what `export` wrote of the run and tried, made once: copy it to change it."""
    import tokengraft as tg

    made = {}

    def make(form):
        if form not in made:
            made[form] = tg.export(run[0], tmp_path_factory.mktemp("exported") / form, form)
        return made[form]

    return make


@pytest.fixture
def tried_here(monkeypatch):
    """`export` tries what it wrote in this process: for what a fresh one has loaded in another test."""

    def run(program, *arguments):
        done = subprocess.CompletedProcess(arguments, 0, "", "")
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the program leaves its files to the end of its process
            patch.setattr(sys, "argv", ["-c", *arguments])
            try:
                exec(program, {})  # noqa: S102
            except Exception:
                done = subprocess.CompletedProcess(arguments, 1, "", traceback.format_exc())
        return done

    monkeypatch.setattr("tokengraft.exporting.trial.run_python", run)
