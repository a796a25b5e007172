"""GGUF: the converter is told the pre-tokenizer, the file is read back, and llama.cpp is asked where it is there."""

import dataclasses
import json
import os
import shutil
from contextlib import nullcontext
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest
from transformers import AutoTokenizer

import tokengraft as tg
from tokengraft.errors import ConfigError, ExportError
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.formats.gguf import _check_scores
from tokengraft.exporting.gguf_trial import Made, _same_entries
from tokengraft.exporting.llama_cpp import PATTERNS, _unknown
from tokengraft.tokenizer import ExtendedTokenizer
from tokengraft.tokenizer.file import TokenizerFile

STANDIN = Path(__file__).parent / "standin"
ONE = pytest.mark.parametrize("run", ["llama-untied"], indirect=True)
"""One model is enough where both would take the same way."""


@pytest.fixture
def checkout(run, tmp_path):
    """A folder like llama.cpp's whose converter knows the base's tokenizer."""
    folder = shutil.copytree(STANDIN, tmp_path / "llama.cpp", ignore=shutil.ignore_patterns("llama_cpp"))
    ids = AutoTokenizer.from_pretrained(run[1]).encode("Three  words, 123 \n")
    (folder / "known.json").write_text(json.dumps({sha256(str(ids).encode()).hexdigest(): "bases-own"}))
    return folder


def test_the_base_says_how_text_is_split(run, checkout, tmp_path):
    """The extended tokenizer's hash is unknown to the converter; the base's is known, and its name goes in."""
    out = tg.export(run[0], tmp_path / "gguf", "gguf", llama_cpp=str(checkout))
    card = (out / "README.md").read_text()
    new = json.loads((run[0] / "metrics.json").read_text())["tokens"]["added"]
    assert f"the {new} new rows of" in card
    assert "weights as f32, split as bases-own." in card
    assert "llama-cpp-python is not installed" in card
    assert sorted(path.name for path in out.iterdir()) == ["Modelfile", "README.md", "model.gguf"]
    modelfile = (out / "Modelfile").read_text()
    assert modelfile.startswith("FROM ./model.gguf\nPARAMETER num_ctx")
    assert 'TEMPLATE "{{ .Prompt }}"' in modelfile


@ONE
def test_llama_cpp_is_asked_where_it_is_there(run, checkout, tmp_path, monkeypatch):
    shutil.copytree(STANDIN / "llama_cpp", tmp_path / "packages" / "llama_cpp")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    out = tg.export(run[0], tmp_path / "gguf", "gguf", llama_cpp=str(checkout))
    assert "llama.cpp, through llama-cpp-python, gave the same ids on 1000 texts" in (out / "README.md").read_text()
    monkeypatch.setenv("STANDIN_OFF", "0.01")
    with pytest.raises(ExportError, match=r"logits that differ by up to 0\.01"):
        tg.export(run[0], tmp_path / "off", "gguf", llama_cpp=str(checkout))
    assert not (tmp_path / "off").exists()


@ONE
def test_a_base_that_the_converter_does_not_know(run, checkout, tmp_path):
    (checkout / "known.json").write_text("{}")
    with pytest.raises(ExportError, match="does not know"):
        tg.export(run[0], tmp_path / "gguf", "gguf", llama_cpp=str(checkout))
    assert not (tmp_path / "gguf").exists()
    out = tg.export(run[0], tmp_path / "gguf", "gguf", llama_cpp=str(checkout), pre_tokenizer="gpt-2")
    assert "split as gpt-2" in (out / "README.md").read_text()


@ONE
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("value.float()", "value.float() * 1.01", "new rows of .* that are not the run's"),
        ("    TextModel(given.model).write", "    raise SystemExit('no such architecture')  #", "no such architecture"),
        ("get_vocab_base_pre", "get_another_name", "has get_vocab_base_pre"),
    ],
)
def test_a_converter_that_writes_something_else_is_caught(run, checkout, tmp_path, before, after, said):
    script = checkout / "convert_hf_to_gguf.py"
    assert before in script.read_text()
    script.write_text(script.read_text().replace(before, after))
    with pytest.raises(ExportError, match=said):
        tg.export(run[0], tmp_path / "gguf", "gguf", llama_cpp=str(checkout))
    assert not (tmp_path / "gguf").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"tokens": ["a", "b", "ba", "<s>"]}, "entry 'ba' for id 2"),
        ({"tokens": ["a", "b"]}, "entry None for id 2"),
        ({"merges": ["b a", "a b"]}, "in their order"),
        ({"merges": []}, "0 merges"),
        ({"pre": ["default"]}, "expected: gpt-2"),
        ({"tokens": ["a", "b", "ab", "as the converter spells it"], "merges": None}, None),
    ],
)
def test_what_is_read_back_is_compared(change, said):
    document = {
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"], ["b", "a"]]},
        "added_tokens": [{"content": "<s>", "id": 3}],
    }
    there = {"tokens": ["a", "b", "ab", "<s>"], "merges": ["a b", "b a"], "pre": ["gpt-2"]} | change
    made = Made("model.gguf", "f32", "gpt-2", Path())
    with nullcontext() if said is None else pytest.raises(ExportError, match=said):
        _same_entries(made, TokenizerFile(document), there)


@ONE
def test_what_is_no_checkout(run, tmp_path):
    with pytest.raises(ExportError, match="no --llama-cpp"):
        tg.export(run[0], tmp_path / "out", "gguf")
    with pytest.raises(ExportError, match=r"without convert_hf_to_gguf\.py"):
        tg.export(run[0], tmp_path / "out", "gguf", llama_cpp=str(tmp_path))
    (tmp_path / "convert_hf_to_gguf.py").touch()
    with pytest.raises(ExportError, match="without gguf-py"):
        tg.export(run[0], tmp_path / "out", "gguf", llama_cpp=str(tmp_path))
    with pytest.raises(ConfigError, match="llama_cpp for gguf alone"):
        tg.export(run[0], tmp_path / "out", "hf", llama_cpp=str(tmp_path))
    assert not (tmp_path / "out").exists()


@ONE
def test_types(run, checkout, tmp_path):
    with pytest.raises(ConfigError, match="auto, f32, bf16, f16, q8_0"):
        tg.export(run[0], tmp_path / "out", "gguf", llama_cpp=str(checkout), gguf_type="q4_k_m")


@ONE
def test_superwords_do_not_fit(run, checkout, tmp_path):
    """Their split pattern is their own, and llama.cpp knows a fixed list."""
    changed = shutil.copytree(run[0], tmp_path / "run")
    extension = ExtendedTokenizer.load(changed / "model", str(run[1]))
    own = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    file = extension.file.replaced({**extension.file.document, "pre_tokenizer": own}, extension.file.config)
    dataclasses.replace(extension, file=file).save(changed / "model")
    with pytest.raises(ExportError, match="a pattern of their own"):
        tg.export(changed, tmp_path / "out", "gguf", llama_cpp=str(checkout))


@ONE
def test_sentencepiece_without_its_scores(run, tmp_path):
    """A converter gives every entry the same score then, and llama.cpp merges in another order."""
    changed = shutil.copytree(run[0], tmp_path / "run")
    extension = ExtendedTokenizer.load(changed / "model", str(run[1]))
    fallback = {**extension.base.document["model"], "byte_fallback": True}
    base = extension.base.replaced({**extension.base.document, "model": fallback}, extension.base.config)
    with pytest.raises(ExportError, match=r"without its tokenizer\.model"):
        _check_scores(Finished.read(changed), base.document["model"])
    (changed / "model" / "tokenizer.model").touch()
    _check_scores(Finished.read(changed), base.document["model"])
    _check_scores(Finished.read(run[0]), extension.base.document["model"])


def test_advice_names_the_pattern():
    pattern = next(pattern for pattern, name in PATTERNS.items() if name == "qwen2")
    split = {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": pattern}}]}
    assert _unknown({"pre_tokenizer": split}).do.endswith("--pre-tokenizer qwen2")
    assert _unknown({"pre_tokenizer": {"type": "ByteLevel"}}).do.endswith("--pre-tokenizer gpt-2")
    assert "llama-bpe" in _unknown({"pre_tokenizer": None}).do


@ONE
@pytest.mark.slow
def test_with_a_real_checkout(run, tmp_path):
    """Where TOKENGRAFT_LLAMA_CPP names a llama.cpp checkout; with llama-cpp-python installed, it is asked too."""
    folder = os.environ.get("TOKENGRAFT_LLAMA_CPP")
    if not folder:
        pytest.skip("TOKENGRAFT_LLAMA_CPP names no llama.cpp checkout")
    out = tg.export(run[0], tmp_path / "gguf", "gguf", llama_cpp=folder, pre_tokenizer="gpt-2")
    card = (out / "README.md").read_text()
    assert "weights as f32, split as gpt-2" in card
    assert ("gave the same ids on 1000 texts" in card) == (find_spec("llama_cpp") is not None)
