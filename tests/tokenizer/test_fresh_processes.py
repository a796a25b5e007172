"""An extension that was saved gives the same ids in every library that reads it, each in a process of its own."""

import gzip
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tokengraft.tokenizer import extend_tokenizer
from tokengraft.tokenizer.tokens import CHARACTER, WHOLE

READ = "import json, sys\nfolder, texts = sys.argv[1], json.load(sys.stdin)\n"
WRITE = "\nprint(json.dumps(ids))"
PROGRAMS = {
    "tokenizers": """
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]""",
    "transformers": """
import warnings
warnings.simplefilter("ignore")
from transformers import AutoTokenizer
ids = AutoTokenizer.from_pretrained(folder)(texts, add_special_tokens=False)["input_ids"]""",
    "sentencepiece": """
from sentencepiece import SentencePieceProcessor
ids = SentencePieceProcessor(model_file=f"{folder}/tokenizer.model").encode(texts)""",
}


def ids_of(library, folder, texts, python=sys.executable):
    program = f"{READ}{PROGRAMS[library]}{WRITE}"
    environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, "-c", program, str(folder)],
        input=json.dumps(texts), capture_output=True, text=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", ["gpt2", "llama3", "sentencepiece", "unigram", "wordpiece"])
def test_a_small_tokenizer_in_the_tokenizers_library(make_tokenizer, code, english, tmp_path, kind):
    extension = extend_tokenizer(make_tokenizer(kind), code, 30, processes=1)
    extension.save(tmp_path)
    texts = [*code[:20], *english[:5], " é ", ""]
    assert ids_of("tokenizers", tmp_path, texts) == extension.encode(texts)


KINDS = {"llama2": CHARACTER, "mistral-nemo": WHOLE}
"""Real tokenizers, with the kind of entry without rules that each takes."""


@pytest.fixture(scope="module", params=KINDS)
def real(request, shared_data, tmp_path_factory):
    """(extension, the folder where it is, texts that were not seen and hold no added token)."""

    def texts(name, number):
        with gzip.open(shared_data / "corpora" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line)["text"] for _, line in zip(range(number), file, strict=False)]

    verilog, hindi = texts("verilog", 60), texts("hindi", 60)
    extension = extend_tokenizer(
        shared_data / "tokenizers" / request.param, verilog[:40] + hindi[:40], 300, processes=1
    )
    assert any(KINDS[request.param] in token.notes for token in extension.new_tokens)
    folder = tmp_path_factory.mktemp(request.param)
    extension.save(folder)
    return extension, folder, [*verilog[40:], *hindi[40:], "नमस्ते दुनिया", "  two\n\nlines 42", "naïve café"]


@pytest.mark.data
@pytest.mark.parametrize("library", PROGRAMS)
def test_a_real_tokenizer_in_each_library(real, library):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    extension, folder, texts = real
    if library == "sentencepiece" and not extension.base.binaries:
        pytest.skip("this tokenizer has no .model")
    assert ids_of(library, folder, texts) == extension.encode(texts)


@pytest.mark.data
@pytest.mark.slow
def test_a_real_tokenizer_in_another_transformers(real):
    python = os.environ.get("TOKENGRAFT_OTHER_PYTHON")
    if not python:
        pytest.skip("TOKENGRAFT_OTHER_PYTHON names no interpreter with another transformers")
    extension, folder, texts = real
    assert ids_of("transformers", folder, texts, python) == extension.encode(texts)
