"""lm-eval as a bridge: the same bits per byte, and tasks of one's own without any network."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tokengraft.errors import ConfigError
from tokengraft.evaluation import lm_eval_bridge
from tokengraft.evaluation.lm_eval_bridge import check_tasks

NEEDED = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason='lm-eval is not here: pip install "tokengraft[eval]"'
)

# In a process of its own: lm-eval warns about its own dependencies, and here warnings are errors.
SCRIPT = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from tokengraft.evaluation.lm_eval_bridge import run_lm_eval
from tokengraft.evaluation.scorecard import Scorer
from tokengraft.config import EvaluationConfig
from tokengraft.tokenizer import TokenizerFile
from tokengraft.tokenizer.between import extension_between

folder, task, texts = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
model = AutoModelForCausalLM.from_pretrained(folder).eval()
file = TokenizerFile.load(folder)
scorer = Scorer.begin(model, extension_between(file, file), domain=texts,
                      settings=EvaluationConfig(window_bytes=100_000, max_bytes=10_000_000))
print(json.dumps({"ours": scorer.base()["domain"]["bits_per_byte"], "theirs": run_lm_eval(model, folder, [task])}))
"""


def write_task(path, kind, records):
    data = path / f"{kind}.jsonl"
    data.write_text("".join(json.dumps(record) + "\n" for record in records))
    choices = (
        ["output_type: multiple_choice", 'doc_to_text: "{{question}}"', 'doc_to_choice: "{{choices}}"',
         'doc_to_target: "{{answer}}"', "metric_list:", "  - metric: acc"]
        if kind == "choice"
        else ["output_type: loglikelihood_rolling", 'doc_to_text: ""', 'doc_to_target: "{{text}}"', "metric_list:",
              "  - metric: bits_per_byte"]
    )  # fmt: skip
    lines = [f"task: {kind}", "dataset_path: json", "dataset_kwargs:", "  data_files:", f"    test: {data}",
             "test_split: test", *choices]  # fmt: skip
    file = path / f"{kind}.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def model_folder(tmp_path, english):
    """A Llama whose context holds each document whole, with a BOS that its tokenizer does not write."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from .conftest import train_base

    file = train_base(english, prefix=False)
    torch.manual_seed(2)
    config = LlamaConfig(
        vocab_size=file.size, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=2048, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(tmp_path / "model")
    PreTrainedTokenizerFast(tokenizer_object=file.tokenizer, bos_token="<|end|>", eos_token="<|end|>").save_pretrained(
        tmp_path / "model"
    )
    return tmp_path / "model"


def run(tmp_path, folder, task, texts):
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(task), str(tmp_path / "texts.json")],
        capture_output=True, text=True, timeout=500, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@NEEDED
def test_bits_per_byte_equals_lm_evals(tmp_path, model_folder, english, code):
    texts = [*english[:6], *code[:3], "ä ö – über\n"]
    task = write_task(tmp_path, "rolling", [{"text": text} for text in texts])
    found = run(tmp_path, model_folder, task, texts)
    assert found["ours"] == pytest.approx(found["theirs"]["rolling"]["metrics"]["bits_per_byte"]["value"], abs=1e-6)
    assert found["ours"] > 1


@NEEDED
def test_a_local_task_runs_without_any_network(tmp_path, model_folder, english):
    records = [{"question": "The cat", "choices": [" sat on the mat", " zz"], "answer": n % 2} for n in range(8)]
    task = write_task(tmp_path, "choice", records)
    found = run(tmp_path, model_folder, task, english[:2])["theirs"]["choice"]
    assert found["metrics"]["acc"]["value"] == 0.5, "the same choice is taken each time, and is right each second time"
    assert found["documents"] == 8
    assert sorted(found["outcomes"]) == [0] * 4 + [1] * 4


def test_without_lm_eval_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(ConfigError, match="eval"):
        check_tasks(["arc_easy"])
    check_tasks([])
    del tmp_path


def test_a_task_file_that_is_none_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(lm_eval_bridge, "_require_lm_eval", lambda: None)
    for name, text in {"gone.yaml": None, "list.yaml": "- 1", "broken.yaml": "a: [", "nameless.yaml": "x: 1"}.items():
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match="a task file of lm-eval"):
            check_tasks([str(tmp_path / name)])
    good = tmp_path / "good.yaml"
    good.write_text("task: mine\nprocess_docs: !function utils.f\n")
    check_tasks([str(good)])


def test_an_unknown_task_is_refused_by_name(monkeypatch):
    class Manager:
        all_tasks = ("arc_easy",)

    monkeypatch.setattr(lm_eval_bridge, "_require_lm_eval", lambda: None)
    monkeypatch.setattr(lm_eval_bridge, "_manager", lambda _: Manager())
    check_tasks(["arc_easy"])
    with pytest.raises(ConfigError, match="arc_esy"):
        check_tasks(["arc_esy"])
