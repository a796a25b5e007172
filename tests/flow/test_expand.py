"""The whole flow in fresh processes: its figures, its folder, its resumption, and what comes out."""

import json
import signal
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.config import RunConfig
from tokengraft.corpus import stream, stream_part
from tokengraft.corpus.sample import sample
from tokengraft.model import load_model
from tokengraft.stages.inputs import Texts
from tokengraft.stages.scores import scorer_for
from tokengraft.tokenizer import TokenizerFile


@pytest.fixture(scope="module")
def finished(tmp_path_factory, model_folder, corpus_file, general_file):
    """One uninterrupted run, through Python."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    settings = {
        "model": str(model_folder), "corpus": str(corpus_file), "general": str(general_file), "seed": 1,
        "tokens": {"size": 30},
        "distill": {"steps": 12, "tokens_per_step": 400, "max_length": 64, "checkpoint_every": 3},
        "evaluation": {"max_bytes": 6000, "window_bytes": 256, "prompts": 2, "prompt_tokens": 8, "samples": 1},
    }  # fmt: skip
    threads = torch.get_num_threads()
    run = tg.expand({**settings, "out": str(folder), "threads": 1})
    torch.set_num_threads(threads)
    return run


def test_the_folder_holds_what_the_design_says(finished):
    names = {path.name for path in finished.path.iterdir() if not path.name.startswith(".")}
    assert names == {
        "config.yaml", "run.json", "candidates.jsonl", "tokenizer", "model", "metrics.json", "samples.json",
        "log.jsonl", "rows.safetensors", "report.html", "evaluation",
    }  # fmt: skip
    assert json.loads((finished.path / "metrics.json").read_text()) == json.loads(json.dumps(finished.metrics))


def test_the_figures_hold(finished):
    metrics = finished.metrics
    domain, general = (metrics["tokens"]["fertility"][part] for part in ("domain", "general"))
    assert metrics["tokens"]["added"] == 30
    assert domain["tokens_extended"] < 0.85 * domain["tokens_base"]
    assert domain["documents_longer"] == general["documents_longer"] == 0
    assert all(check["passed"] for check in metrics["checks"])
    assert metrics["exactness"]["old_rows_identical"]
    assert metrics["exactness"]["old_logits_identical"]
    base, initialised, distilled = metrics["models"]
    assert distilled["domain"]["bits_per_byte"] < initialised["domain"]["bits_per_byte"]
    assert base["domain"]["kl_to_base"] == 0
    assert metrics["training"]["steps"] == 12


def test_what_comes_out_is_a_plain_hugging_face_model(finished, model_folder, code):
    tokenizer = AutoTokenizer.from_pretrained(finished.path / "model")
    model = AutoModelForCausalLM.from_pretrained(finished.path / "model")
    extension = tg.ExtendedTokenizer.load(finished.path / "tokenizer", TokenizerFile.load(model_folder))
    assert [tokenizer(text)["input_ids"] for text in code[:20]] == extension.encode(code[:20])
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    old, new = base.get_input_embeddings().weight, model.get_input_embeddings().weight
    assert old.shape[0] == 330 > extension.base_size, "some new ids fall into rows that were padding"
    assert new.shape[0] == extension.size
    assert torch.equal(new[: extension.base_size], old[: extension.base_size])
    assert model.get_output_embeddings().weight is new, "a tie stays a tie"


def test_the_same_settings_give_the_same_bytes(finished, config_file, program, tmp_path):
    again = program("expand", config_file, "--out", tmp_path / "again", "--threads", "1")
    assert again.returncode == 0, again.stderr
    assert weights(tmp_path / "again") == weights(finished.path)
    assert "30 of 30 asked for" in again.stdout
    assert (tmp_path / "again" / "report.html").as_uri() in again.stdout.replace("\n", "")


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("moment", [1, 7, 11])
def test_a_killed_run_goes_on_to_the_same_bytes(finished, config_file, start, here, tmp_path, moment):
    folder = tmp_path / "killed"
    arguments = ("expand", config_file, "--out", folder, "--threads", "1")
    process = start(*arguments)
    try:
        wait_for_step(folder / "log.jsonl", moment, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (folder / "model").exists()
    again = here(*arguments)
    assert again.returncode == 0, again.stderr
    assert weights(folder) == weights(finished.path)
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 13)), "no step is logged twice"


def wait_for_step(log, step, process):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and log.read_text().count("\n") >= step:
            return
        time.sleep(0.002)
    pytest.fail("the run ended before it could be killed")


def test_a_killed_run_of_an_untied_model_with_replay_ends_in_the_same_bytes(
    settings, untied_bfloat16_folder, english, start, here, tmp_path
):
    """Untied tables end in the closing fit of the head, and replay text has an order of its own."""
    replay = tmp_path / "replay.jsonl"
    replay.write_text("".join(json.dumps({"text": text}) + "\n" for text in english[50:90]))
    config = tmp_path / "untied.yaml"
    changed = {**settings, "model": str(untied_bfloat16_folder), "replay": str(replay), "general": None, "threads": 1}
    config.write_text(json.dumps(changed))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert here("expand", config, "--out", whole).returncode == 0
    process = start("expand", config, "--out", killed)
    try:
        wait_for_step(killed / "log.jsonl", 7, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert here("expand", config, "--out", killed).returncode == 0
    assert json.loads((killed / "run.json").read_text())["stages"]["distill"]["facts"]["fit"]["iterations"] >= 0
    assert weights(killed) == weights(whole)


def test_a_finished_run_is_not_done_again(finished, here):
    before = (finished.path / "run.json").read_text()
    stamp = (finished.path / "model" / "model.safetensors").stat().st_mtime_ns
    again = here("expand", finished.path / "config.yaml", "--out", finished.path)
    assert again.returncode == 0, again.stderr
    assert (finished.path / "model" / "model.safetensors").stat().st_mtime_ns == stamp
    assert json.loads((finished.path / "run.json").read_text())["stages"].keys() == json.loads(before)["stages"].keys()


def test_the_page_is_drawn_again(finished, program):
    before = (finished.path / "report.html").read_bytes()
    (finished.path / "report.html").unlink()
    done = program("report", finished.path)
    assert done.returncode == 0, done.stderr
    assert (finished.path / "report.html").read_bytes() == before


def test_the_saved_model_has_the_figures_that_were_measured(settings, untied_bfloat16_folder, tmp_path):
    """Rows are rounded to the stored dtype before they are measured: loaded again, the model scores the same."""
    changed = {**settings, "model": str(untied_bfloat16_folder), "out": str(tmp_path / "run")}
    run = tg.expand(changed)
    tensors = load_file(run.path / "model" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    config = RunConfig.from_dict(changed)
    base = TokenizerFile.load(untied_bfloat16_folder)
    extension = tg.ExtendedTokenizer.load(run.path / "tokenizer", base)
    parts = [stream_part(config.corpus, config.shares, "heldout"), stream(config.general)]
    heldout, general = (sample(part, config.evaluation.fertility_bytes, config.seed) for part in parts)
    scorer = scorer_for(config, load_model(config.model), extension, Texts([], heldout, general, []))
    saved = AutoModelForCausalLM.from_pretrained(run.path / "model", dtype=torch.float32)
    card = run.metrics["models"][2]
    assert scorer.score("distilled", saved) == {name: card[name] for name in ("name", "domain", "general")}


@pytest.mark.data
def test_a_fresh_gpt2_learns_verilog(settings, shared_data, tmp_path):
    corpus = shared_data / "corpora" / "verilog.jsonl.gz"
    run = tg.expand({**settings, "corpus": str(corpus), "out": str(tmp_path / "run")})
    domain = run.metrics["tokens"]["fertility"]["domain"]
    assert domain["tokens_extended"] < domain["tokens_base"]
    assert domain["documents_longer"] == 0


@pytest.mark.data
def test_a_sentencepiece_model_learns_shakespeare(settings, shared_data, tmp_path):
    changed = {
        "model": str(shared_data / "models" / "stories260K-hf"),
        "corpus": str(shared_data / "corpora" / "shakespeare.jsonl.gz"),
        "general": None,
        "out": str(tmp_path / "run"),
    }
    run = tg.expand({**settings, **changed})
    assert all(check["passed"] for check in run.metrics["checks"])
    assert run.metrics["exactness"]["old_logits_identical"]
