"""A run of several phases with its control, in fresh processes: killed, resumed, merged, and loaded by others."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

import tokengraft as tg
from tokengraft.errors import ModelError, TokengraftError
from tokengraft.recipes import read_recipe, recipe_names
from tokengraft.stages.eval_plan import EvalPlan

SHORT = {"steps": 4, "tokens_per_step": 300, "max_length": 64, "checkpoint_every": 2, "rate": 1e-3}
PHASES = [
    {"phase": "rows"},
    {"phase": "tables", **SHORT},
    {"phase": "sequential", "tables": True, **SHORT},
    {"phase": "lora", "dropout": 0.1, "evaluate_every": 2, **SHORT},
]


@pytest.fixture(scope="module")
def phased(tmp_path_factory, english, corpus_file, general_file):
    """Settings of a run through four phases, on an untied model."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("flow_conftest", Path(__file__).parent / "conftest.py")
    flow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flow)
    folder = flow.save_model_folder(tmp_path_factory.mktemp("llama"), "llama-untied", english, rows=330)
    return {
        "model": str(folder), "corpus": str(corpus_file), "general": str(general_file), "seed": 1, "threads": 1,
        **flow.SMALL, "phases": PHASES, "control": "base",
    }  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory, phased):
    threads = torch.get_num_threads()
    run = tg.expand({**phased, "out": str(tmp_path_factory.mktemp("runs") / "whole")})
    torch.set_num_threads(threads)
    return run


def test_every_model_is_scored_and_the_control_stands_beside_the_base(whole):
    names = [card["name"] for card in whole.metrics["models"]]
    assert names == ["base", "control", "initialised", "distilled", "tables", "sequential", "lora"]
    parts = [phase["name"] for phase in whole.metrics["phases"]]
    assert parts == [
        "tables: tables", "sequential: blocks-0-to-0", "sequential: blocks-1-to-1", "lora: lora",
        "control tables: tables", "control sequential: blocks-0-to-0", "control sequential: blocks-1-to-1",
        "control lora: lora",
    ]  # fmt: skip
    lora = next(phase for phase in whole.metrics["phases"] if phase["name"] == "lora: lora")
    assert 0 <= lora["merge_error"] < 1e-4
    expected, held = lora["memory"]["expected"]["trainable-tokens"], lora["memory"]
    assert held["learned_bytes"] == expected["adapter"]
    assert held["moment_bytes"] == expected["moments"]
    assert held["adapter_bytes"] == pytest.approx(expected["adapter"], rel=0.3)
    assert lora["memory"]["expected"]["modules-to-save"]["moments"] > expected["moments"]
    evaluations = [json.loads(line) for line in (whole.path / "log.jsonl").read_text().splitlines()]
    figures = [row for row in evaluations if row["event"] == "phase evaluation" and row["part"] == "lora: lora"]
    assert [row["step"] for row in figures] == [2, 4]
    last = whole.metrics["models"][-1]
    assert figures[-1]["domain_bits_per_byte"] == pytest.approx(last["domain"]["bits_per_byte"], rel=1e-4)
    assert not list(whole.path.glob("checkpoint*"))
    assert not list(whole.path.glob("*state.safetensors"))


def test_the_control_reads_the_same_text_and_has_learned(whole, phased):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    control, base = (AutoModelForCausalLM.from_pretrained(p) for p in (whole.path / "control", phased["model"]))
    assert len(AutoTokenizer.from_pretrained(whole.path / "control")) == len(
        AutoTokenizer.from_pretrained(base.name_or_path)
    )
    assert not torch.equal(control.lm_head.weight, base.lm_head.weight)
    steps = [json.loads(line) for line in (whole.path / "log.jsonl").read_text().splitlines()]
    tokens = {
        name: [row["tokens"] for row in steps if row.get("part") == f"{name}tables: tables"]
        for name in ("", "control ")
    }
    assert tokens[""] == tokens["control "], "equal documents, step by step"


def test_a_run_is_measured_with_its_control_and_its_learning_curves(whole, tmp_path):
    from tokengraft.reporting.folder import read_folder_curves
    from tokengraft.stages.evaluate import evaluate_models

    few = {"max_bytes": 4000, "window_bytes": 96, "prompts": 2, "prompt_tokens": 8, "samples": 1}
    plan = EvalPlan.from_dict(
        {"model": str(whole.path), "threads": 1, "evaluation": few, "out": str(tmp_path / "measured")}
    )
    done = evaluate_models(plan)
    assert [card["name"] for card in done.metrics["models"]] == ["base", "control", "extended"]
    assert {"tables: tables", "control tables: tables"} <= {curve.phase for curve in read_folder_curves(done.path)}
    assert done.comparison is not None
    for page in (done.report, done.comparison):
        assert "nats a base token" in page.read_text()


def weights(folder):
    return [(folder / name / "model.safetensors").read_bytes() for name in ("model", "control")]


def wait_for(folder, part, step, process):
    deadline = time.monotonic() + 240
    wanted = f'"part": "{part}", "step": {step},'
    while time.monotonic() < deadline and process.poll() is None:
        log = folder / "log.jsonl"
        if log.exists() and wanted in log.read_text():
            return
        time.sleep(0.002)
    pytest.fail("the run ended before it could be killed")


def read_back(run):
    return json.loads(json.dumps(run.metrics["models"]))


def timeless(card):
    """A card without what a clock decides."""
    generation = {name: value for name, value in card["generation"].items() if "second" not in name}
    return {**card, "generation": generation}


def test_a_run_killed_in_every_phase_ends_in_the_same_bytes(whole, phased, start, here, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(json.dumps(phased))
    folder = tmp_path / "killed"
    moments = [
        ("tables: tables", 3), ("sequential: blocks-1-to-1", 1), ("lora: lora", 3), ("control lora: lora", 2),
    ]  # fmt: skip
    for part, step in moments:
        process = start("expand", config, "--out", folder)
        try:
            wait_for(folder, part, step, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    again = here("expand", config, "--out", folder)
    assert again.returncode == 0, again.stderr
    assert weights(folder) == weights(whole.path)
    found = json.loads((folder / "metrics.json").read_text())
    assert [timeless(card) for card in found["models"]] == [timeless(card) for card in read_back(whole)]
    steps = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in steps if row.get("part") == "lora: lora" and row["event"] == "phase step"] == [
        1,
        2,
        3,
        4,
    ]


ADAPTER = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from peft import PeftModel
folder, adapter, merged = sys.argv[1:]
text = "        self.nn.Linear = attention_mask(3)"
ids = AutoTokenizer.from_pretrained(merged)(text, return_tensors="pt")["input_ids"]
whole = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), adapter).eval()
plain = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
with torch.no_grad():
    one, other = whole(ids).logits, plain(ids).logits
assert (one - other).abs().max() <= 1e-4 * one.abs().max(), (one - other).abs().max()
assert one.argmax(-1).equal(other.argmax(-1))
print(ids.tolist())
"""


@pytest.mark.parametrize(("rows", "way"), [("trainable-tokens", "program"), ("modules-to-save", "here")])
def test_an_adapter_and_its_merged_model_agree_in_plain_peft(whole, phased, request, tmp_path, rows, way):
    done = request.getfixturevalue(way)(
        "train", "--model", whole.path, "--phase", "lora", "--corpus", phased["corpus"], "--steps", 6, "--out",
        tmp_path / "t", "--set", f"phase.rows={rows}", "--set", "phase.rate=3e-3", "--set", "phase.tokens_per_step=300",
        "--set", "evaluation.max_bytes=4000", "--set", "evaluation.prompts=0", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)
    assert [card["name"] for card in metrics["models"]] == ["base", "before", "lora"]
    assert EvalPlan.from_dict({"model": str(tmp_path / "t")}).base == phased["model"], "the folder can be measured"
    assert metrics["models"][2]["domain"]["bits_per_byte"] < metrics["models"][1]["domain"]["bits_per_byte"]
    arguments = [whole.path / "model", tmp_path / "t" / "adapters" / "lora", tmp_path / "t" / "model"]
    fresh = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ADAPTER, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert fresh.returncode == 0, fresh.stderr
    extension = tg.ExtendedTokenizer.load(tmp_path / "t" / "model", phased["model"])
    [ids] = extension.encode(["        self.nn.Linear = attention_mask(3)"])
    assert json.loads(fresh.stdout) == [ids]


def test_a_saved_adapter_is_folded_into_its_own_base_alone(whole, tmp_path):
    from transformers import AutoModelForCausalLM

    adapter = whole.path / "adapters" / "lora"
    other = AutoModelForCausalLM.from_pretrained(whole.path / "model")
    with pytest.raises(ModelError, match="trained on another model"):
        tg.merge_adapter(other, adapter)
    with pytest.raises(ModelError, match="without adapter_config"):
        tg.merge_adapter(other, tmp_path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_runs_with_few_steps(name, phased, tmp_path):
    settings = read_recipe(name)
    from tokengraft.cli.phase_options import with_steps
    from tokengraft.config import merged

    small = {**phased, "control": None, "out": str(tmp_path / "run")}
    small.pop("phases")
    small["distill"] = {**small["distill"], "steps": 4, "epochs": None}
    settings = with_steps(merged(settings, small), 2)
    settings["phases"] = [
        {**phase, "tokens_per_step": 200, "max_length": 48} if phase["phase"] != "rows" else phase
        for phase in settings["phases"]
    ]
    run = tg.expand(settings)
    names = [card["name"] for card in run.metrics["models"]]
    assert len(names) == 2 + len(settings["phases"])


PLAIN = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer("        self.nn.Linear = attention_mask(3)", return_tensors="pt")["input_ids"]
with torch.no_grad():
    logits = model(ids).logits
torch.save((ids, logits), sys.argv[2])
"""


def test_the_thesis_pipeline_is_one_command_on_the_bundled_model(here, corpus_file, tmp_path):
    from transformers import AutoModelForCausalLM

    from tokengraft.bundled import MODEL_DIR

    out = tmp_path / "run"
    done = here(
        "expand", "--recipe", "kl-thesis", "--model", MODEL_DIR, "--corpus", corpus_file, "--size", 30, "--steps", 2,
        "--phase-steps", 2, "--seed", 0, "--threads", 1, "--out", out, "--set", "evaluation.max_bytes=2000",
        "--set", "evaluation.prompts=1", "--set", "evaluation.prompt_tokens=4", "--set", "distill.tokens_per_step=200",
        "--set", "distill.max_length=64", "--set", "evaluation.memory=false",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = [card["name"] for card in json.loads((out / "metrics.json").read_text())["models"]]
    assert names == ["base", "initialised", "distilled", "tables", "lora", "sequential"]
    fresh = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN, out / "model", tmp_path / "found.pt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert fresh.returncode == 0, fresh.stderr
    ids, logits = torch.load(tmp_path / "found.pt")
    extension = tg.ExtendedTokenizer.load(out / "model", MODEL_DIR)
    [expected] = extension.encode(["        self.nn.Linear = attention_mask(3)"])
    assert ids.tolist() == [[*extension.base.prefix_ids(), *expected]]
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(out / "model")(ids).logits
    torch.testing.assert_close(ours, logits)  # another process may add up in another order


BAD = [
    ({"phases": [{"phase": "lora", "rnak": 3}]}, "did you mean phases.0..rank"),
    ({"phases": ["tables", "rows"]}, "rows as the first phase"),
    ({"phases": ["rows", "tabels"]}, "phase 'tabels'"),
    ({"phases": ["lora", "lora"]}, "a name of its own"),
    ({"phases": [{"phase": "lora", "targets": ["q_porj"]}]}, "down_proj, gate_proj, k_proj"),
    ({"phases": [{"phase": "tables", "rank": 3}]}, "rank with the phase lora alone"),
    ({"phases": [{"phase": "rows", "steps": 3}]}, "settings of the rows under distill"),
    ({"phases": [{"phase": "full", "shard": True}]}, "trainable-tokens, tables, lora"),
    ({"phases": [{"phase": "lora", "shard": True, "quantize": True}]}, "one of the two"),
    ({"phases": [{"phase": "full", "schedule": "cosin"}]}, "did you mean 'cosine'"),
    ({"phases": [{"phase": "full", "trackers": ["tensorbord"]}]}, "one of tensorboard"),
    ({"phases": [{"phase": "sequential", "stages": 9}]}, "9 stages for 2 blocks"),
    ({"phases": [{"phase": "full", "instructions": {"path": "nowhere.jsonl"}}]}, "nowhere.jsonl"),
    ({"control": "mean"}, "base, or nothing"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_what_cannot_be_is_said_before_training(phased, tmp_path, changes, message):
    out = tmp_path / "out"
    with pytest.raises(TokengraftError, match=message):
        tg.expand({**phased, "out": str(out), **changes})
    assert not out.exists()
