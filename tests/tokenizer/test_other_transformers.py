"""The same ids in another transformers, in an interpreter of its own: loaded, saved by it, and loaded again.

`TOKENGRAFT_OTHER_PYTHON` names that interpreter; it needs transformers (4.57, say) and not tokengraft.
"""

import gzip
import json
import os
import subprocess

import pytest

from tokengraft.tokenizer import TokenizerFile, extend_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(3000)]

TOKENIZERS = ("gpt2", "qwen2", "deepseek-coder", "mistral-nemo", "llama2", "t5-small", "bert-base-uncased")

PROGRAM = """
import json, sys, tempfile
import transformers
from transformers import AutoTokenizer
asked = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(asked["folder"])
def ids(each):
    return [each(text, add_special_tokens=False)["input_ids"] for text in asked["texts"]]
first = ids(tokenizer)
with tempfile.TemporaryDirectory() as folder:
    tokenizer.save_pretrained(folder)
    second = ids(AutoTokenizer.from_pretrained(folder))
special = {name: tokenizer.convert_tokens_to_ids(name) for name in asked["special"]}
print(json.dumps({"version": transformers.__version__, "first": first, "second": second, "special": special,
                  "size": len(tokenizer)}))
"""


@pytest.fixture(scope="module")
def other_python():
    """The other interpreter."""
    python = os.environ.get("TOKENGRAFT_OTHER_PYTHON")
    if not python:
        pytest.skip("TOKENGRAFT_OTHER_PYTHON names no interpreter with another transformers")
    return python


def asked_of(python, folder, texts, special):
    done = subprocess.run(
        [python, "-c", PROGRAM], input=json.dumps({"folder": str(folder), "texts": texts, "special": special}),
        capture_output=True, text=True, timeout=600, check=False, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", TOKENIZERS)
def test_ids_are_the_same_after_loading_and_saving_there(other_python, shared_data, tmp_path, name):
    with gzip.open(shared_data / "corpora" / "verilog.jsonl.gz", "rt", encoding="utf-8") as file:
        verilog = [json.loads(line)["text"] for _, line in zip(range(50), file, strict=False)]
    with gzip.open(shared_data / "corpora" / "hindi.jsonl.gz", "rt", encoding="utf-8") as file:
        hindi = [json.loads(line)["text"] for _, line in zip(range(60), file, strict=False)]
    base = TokenizerFile.load(shared_data / "tokenizers" / name)
    # Hindi brings whole pre-tokens to mistral-nemo and missing characters to llama2.
    extension = extend_tokenizer(base, [*verilog[:40], *hindi[:40]], 400, processes=1)
    extension.save(tmp_path)
    special = [token["content"] for token in base.added_tokens if token.get("special")][:20]
    texts = [*verilog[40:], *hindi[40:], f"a {special[0]} b" if special else "a b", " leading", "trailing  ", "\n\n"]
    found = asked_of(other_python, tmp_path, texts, special)
    ours = extension.encode(texts)
    assert found["first"] == ours
    assert found["second"] == ours
    assert found["special"] == {token: base.ids[token] for token in special}
    assert found["size"] == extension.size
