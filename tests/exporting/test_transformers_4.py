"""What `export` writes loads in transformers 4.57, in an environment of its own, with the same ids and logits.

`TOKENGRAFT_OTHER_PYTHON` names that interpreter; it needs transformers 4.57 and torch, and not tokengraft. Where
`TOKENGRAFT_BUILD_ENVIRONMENT` is 1, the environment is made here, which takes minutes and a network or a package cache.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tokengraft as tg

pytestmark = [
    pytest.mark.timeout(3600),  # the environment is made within the first test
    pytest.mark.slow,
    pytest.mark.parametrize("run", ["llama-untied", "gpt2-tied"], indirect=True),
]
VERSION = "4.57.6"
PROGRAM = """
import json, sys
import torch, transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, texts = sys.argv[1], json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval().float()
ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
with torch.no_grad():
    logits = {str(number): model(torch.tensor([row[:64]])).logits[0].contiguous() for number, row in enumerate(ids[:4])}
save_file(logits, sys.argv[2])
print(json.dumps({"version": transformers.__version__, "class": type(tokenizer).__name__, "ids": ids}))
"""


@pytest.fixture(scope="session")
def other_python(tmp_path_factory):
    """Interpreter with transformers 4.57."""
    named = os.environ.get("TOKENGRAFT_OTHER_PYTHON")
    if named:
        return named
    if os.environ.get("TOKENGRAFT_BUILD_ENVIRONMENT") != "1":
        pytest.skip("neither TOKENGRAFT_OTHER_PYTHON nor TOKENGRAFT_BUILD_ENVIRONMENT=1: no transformers 4.57 here")
    place = tmp_path_factory.mktemp("transformers-4")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = [f"transformers=={VERSION}", f"torch=={torch.__version__.partition('+')[0]}", "safetensors", "jinja2"]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True, timeout=3000)
    return str(python)


def test_transformers_4_57_loads_the_export(run, other_python, tmp_path):
    out = tg.export(run[0], tmp_path / "hf", "hf", max_shard_size="40KB")
    passages = json.loads((run[0] / "samples.json").read_text())["passages"]
    texts = ["".join(piece for piece, _ in passage["base"]) for passage in passages]
    texts += [line for text in texts for line in text.splitlines() if line.strip()][:200]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [other_python, "-c", PROGRAM, str(out), str(tmp_path / "logits.safetensors")],
        input=json.dumps(texts), env=environment | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["version"].startswith("4.57")
    assert said["class"] == "PreTrainedTokenizerFast"
    model, tokenizer = tg.load(run[0], dtype="float32", device="cpu")
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert said["ids"] == ids
    with torch.no_grad():
        for number, logits in load_file(tmp_path / "logits.safetensors").items():
            ours = model(torch.tensor([ids[int(number)][:64]])).logits[0]
            assert (ours - logits).abs().max() <= 1e-4
    assert Path(out, "generation_config.json").is_file()
