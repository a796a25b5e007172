"""The README's own Python, run as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks():
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, model_folder, code):
    """The folder in which the block has run, its two places replaced by ours."""
    corpus = tmp_path_factory.mktemp("files")
    for number, words in enumerate(code[:5]):
        (corpus / f"{number}.txt").write_text(words)
    [text] = blocks()
    for place, ours in (('"my-model"', repr(str(model_folder))), ('"my-corpus/"', repr(str(corpus)))):
        assert place in text
        text = text.replace(place, ours)
    folder = tmp_path_factory.mktemp("readme")
    (folder / "block.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "block.py"], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return folder / "my-model-extended"


def test_the_block_is_short():
    [text] = blocks()
    assert len(text.strip().splitlines()) <= 12


def test_the_block_leaves_a_plain_model(finished, model_folder, code):
    tokenizer, model = AutoTokenizer.from_pretrained(finished), AutoModelForCausalLM.from_pretrained(finished)
    base = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer(code[50], return_tensors="pt")["input_ids"]
    assert ids.shape[1] < len(base(code[50])["input_ids"])
    assert tokenizer.decode(ids[0]) == code[50]
    assert model(ids).logits.shape[-1] >= len(tokenizer)


def test_the_block_changes_no_old_row(finished, model_folder):
    old, new = (load_file(folder / "model.safetensors") for folder in (model_folder, finished))
    assert old.keys() == new.keys()
    for name, value in old.items():
        # 300 ids have a row; the 20 rows of padding behind them are new tokens now.
        kept = 300 if value.shape != new[name].shape else None
        assert value[:kept].equal(new[name][:kept]), name
