"""Every example is short and runs, and the notebook's cells run from the first to the last."""

import contextlib
import io
import json
import runpy
import sys
import types
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
LONGEST = 60
ARGUMENTS = {
    "extend_tokenizer": ["--size", "30"],
    "teach_new_tokens": ["--size", "30", "--steps", "2"],
    "export_and_load": [],
    "add_special_tokens": [],
    "own_initialiser": [],
}
"""Those that run here, and so short; vllm_ids has a test of its own."""


def run(program, arguments, place, monkeypatch):
    """What the example prints."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", [str(program), *arguments])
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        runpy.run_path(str(program), run_name="__main__")
    return said.getvalue()


@pytest.fixture
def short_texts(monkeypatch):
    """How well special tokens are fitted is not what an example is run for."""
    from tokengraft.special import hearing, settling, settling_texts

    monkeypatch.setattr(settling_texts, "WIDTH", 16)
    monkeypatch.setattr(settling_texts, "OWN_TEXTS", 8)
    monkeypatch.setattr(settling, "STEPS", 3)
    monkeypatch.setattr(hearing, "WIDTH", 16)


def test_every_example_is_run_and_short():
    assert {program.stem for program in PROGRAMS} == {*ARGUMENTS, "vllm_ids"}
    for program in PROGRAMS:
        assert len(program.read_text().splitlines()) <= LONGEST, program.name


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("extend_tokenizer", "promises hold"),
        ("teach_new_tokens", "30 tokens, 2 steps"),
        ("add_special_tokens", "3145728 old logits identical"),
        ("own_initialiser", "longest-piece"),
        ("export_and_load", "logits within 0e+00"),
    ],
)
@pytest.mark.usefixtures("short_texts")
def test_an_example_runs(name, expected, tmp_path, monkeypatch):
    said = run(EXAMPLES / f"{name}.py", ARGUMENTS[name], tmp_path, monkeypatch)
    assert expected in said
    if name == "own_initialiser":
        from tokengraft.init import initialisers

        initialisers._entries.pop("longest-piece")  # as it was, for whoever lists the methods next


@pytest.mark.parametrize("off", [0, 1])
def test_the_script_for_vllm_compares_ids(tmp_path, monkeypatch, off):
    """With a stand-in for vLLM: its tokenizer is the folder's own, or one that is off by `off`."""
    from tokenizers import Tokenizer

    from tokengraft.bundled import MODEL_DIR

    class Served:
        def encode(self, text, *, add_special_tokens):
            ids = (
                Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
                .encode(text, add_special_tokens=add_special_tokens)
                .ids
            )
            return [number + off for number in ids]

    class Model:
        def __init__(self, *, model, dtype):
            assert (model, dtype) == (str(MODEL_DIR), "auto")

        def get_tokenizer(self):
            return Served()

        def generate(self, texts, settings):
            assert settings == {"temperature": 0, "max_tokens": 16}
            return [types.SimpleNamespace(outputs=[types.SimpleNamespace(text="…")]) for _ in texts]

    standin = types.SimpleNamespace(LLM=Model, SamplingParams=dict)
    monkeypatch.setitem(sys.modules, "vllm", standin)
    if off:
        with pytest.raises(SystemExit, match="first difference: 'def parse"):
            run(EXAMPLES / "vllm_ids.py", [str(MODEL_DIR)], tmp_path, monkeypatch)
    else:
        said = run(EXAMPLES / "vllm_ids.py", [str(MODEL_DIR)], tmp_path, monkeypatch)
        assert "ids equal on 4 of 4 texts" in said


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    """Its cells in order, in one namespace; each that shows something has it stored, as the site prints it."""
    monkeypatch.chdir(tmp_path)
    [notebook] = EXAMPLES.glob("*.ipynb")
    names = {"__name__": "notebook"}
    document = json.loads(notebook.read_text(encoding="utf-8"))
    assert document["nbformat"] == 4
    for cell in document["cells"]:
        if cell["cell_type"] != "code":
            continue
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile("".join(cell["source"]), notebook.name, "exec"), names)  # noqa: S102 - our own notebook
        stored = "".join(line for output in cell["outputs"] for line in output.get("text", []))
        assert bool(said.getvalue().strip()) == bool(stored.strip()), "".join(cell["source"])
