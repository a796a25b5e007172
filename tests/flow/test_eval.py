"""`tokengraft eval` in fresh processes and through Python: figures, folder, page, resumption, refusals."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

import tokengraft as tg
from tokengraft.errors import ConfigError, CorpusError, ModelError, TokengraftError, TokenizerError
from tokengraft.stages.eval_plan import EvalPlan
from tokengraft.stages.evaluate import evaluate_models
from tokengraft.tokenizer import TokenizerFile

FEW = {"max_bytes": 6000, "window_bytes": 96, "prompts": 3, "prompt_tokens": 8, "samples": 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, model_folder, corpus_file, general_file):
    """A run whose model, base and text are there to be measured."""
    settings = {
        "model": str(model_folder), "corpus": str(corpus_file), "general": str(general_file), "seed": 1, "threads": 1,
        "tokens": {"size": 30}, "distill": {"steps": 6, "tokens_per_step": 400, "max_length": 64}, "evaluation": FEW,
    }  # fmt: skip
    return tg.expand({**settings, "out": str(tmp_path_factory.mktemp("runs") / "whole")})


def plan(model, **settings):
    return EvalPlan.from_dict({"model": str(model), "threads": 1, "evaluation": FEW, **settings})


def corpus(path):
    return {"path": str(path)}


def test_a_runs_folder_is_measured_as_the_run_measured_itself(finished):
    metrics = evaluate_models(plan(finished.path)).metrics
    assert [card["name"] for card in metrics["models"]] == ["base", "extended"]
    for ours, theirs in zip(
        metrics["models"], (finished.metrics["models"][0], finished.metrics["models"][-1]), strict=True
    ):
        for part in ("domain", "general"):
            assert ours[part]["bytes"] == theirs[part]["bytes"]
            for name in ("bits_per_byte", "kl_to_base", "new_token_mrr", "mass_on_new"):
                if theirs[part].get(name) is not None:
                    assert ours[part][name] == pytest.approx(theirs[part][name], rel=1e-4, abs=1e-7), name
    assert sum(metrics["verdicts"].values()) == 30


def test_one_command_measures_base_control_and_model_and_writes_the_page(
    finished, model_folder, corpus_file, general_file, here, tmp_path
):
    out = tmp_path / "measured"
    control = shutil.copytree(model_folder, tmp_path / "control")
    model = AutoModelForCausalLM.from_pretrained(control)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(1.02)
    model.save_pretrained(control)
    few = [item for name, value in FEW.items() for item in ("--set", f"evaluation.{name}={value}")]
    done = here(
        "eval", finished.path / "model", "--base", model_folder, "--control", control, "--domain", corpus_file,
        "--general", general_file, "--out", out, *few,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").as_uri() in done.stdout.replace("\n", "")
    assert "extended − control, domain" in " ".join(done.stdout.split())
    metrics = json.loads((out / "metrics.json").read_text())
    assert [card["name"] for card in metrics["models"]] == ["base", "control", "extended"]
    assert metrics["models"][1]["domain"]["tokens"] == metrics["models"][0]["domain"]["tokens"]
    assert metrics["models"][1]["domain"]["kl_to_base"] > 0
    pairs = {(entry["before"], entry["after"]) for entry in metrics["differences"]}
    assert pairs == {("base", "extended"), ("control", "extended"), ("base", "control")}
    assert {path.name for path in (out / "evaluation").iterdir()} == {
        "base.json", "control.json", "extended.json", "tokens.jsonl",
    }  # fmt: skip
    assert "control" in (out / "report.html").read_text()
    beside = (out / "comparison.html").read_text()
    first = [beside.index(f"<b>{name}</b> needs") for name in ("extended", "control")]
    assert first == sorted(first), "the last model comes first"
    assert "extended against control" in beside, "what the extension brought is the difference to the control"
    assert "Calibration of new tokens" in beside


def test_json_is_all_that_is_printed(finished, program):
    done = program(
        "eval", finished.path, "--json", "--set", "evaluation.max_bytes=2000", "--set", "evaluation.prompts=1"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["models"][1]["domain"]["bits_per_byte"] > 0


def test_a_stopped_evaluation_goes_on(finished, tmp_path, monkeypatch):
    from tokengraft.stages import evaluate

    whole = evaluate_models(plan(finished.path)).metrics
    out = str(tmp_path / "stopped")

    def stopping_load(name, **settings):
        if "whole" in name:
            raise KeyboardInterrupt
        return load(name, **settings)

    load = evaluate.load_model
    monkeypatch.setattr(evaluate, "load_model", stopping_load)
    with pytest.raises(KeyboardInterrupt):
        evaluate_models(plan(finished.path, out=out))
    asked = []
    monkeypatch.setattr(evaluate, "load_model", lambda name, **settings: asked.append(name) or load(name, **settings))
    again = evaluate_models(plan(finished.path, out=out)).metrics
    for ours, theirs in zip(again["models"], whole["models"], strict=True):
        assert ours["domain"] == theirs["domain"]
    asked.clear()
    evaluate_models(plan(finished.path, out=out))
    assert asked == [], "what is finished is not measured again"


def test_without_a_base_what_needs_none_is_measured(finished, corpus_file):
    metrics = evaluate_models(plan(finished.path / "model", domain=corpus(corpus_file))).metrics
    [card] = metrics["models"]
    both = evaluate_models(plan(finished.path / "model", base=finished_base(finished), domain=corpus(corpus_file)))
    full = both.metrics["models"][1]["domain"]
    for name in ("bits_per_byte", "new_token_top1", "mass_on_new", "double_subword_rate"):
        assert card["domain"][name] == pytest.approx(full[name], rel=1e-4)
    assert card["domain"]["kl_to_base"] is None
    assert metrics["tokens"] is None


def finished_base(finished):
    return json.loads((finished.path / "metrics.json").read_text())["model"]


def test_a_plain_model_alone(model_folder, corpus_file):
    [card] = evaluate_models(plan(model_folder, domain=corpus(corpus_file))).metrics["models"]
    assert card["name"] == "model"
    assert card["domain"]["bits_per_byte"] > 0
    assert card["generation"]["canonical_ratio"] is None, "this model ends every text at once"


def test_pieces_are_worked_out_where_nobody_wrote_them_down(finished, model_folder, corpus_file, tmp_path):
    bare = shutil.copytree(finished.path / "model", tmp_path / "bare")
    (bare / "tokengraft.json").unlink()
    settings = {"base": str(model_folder), "domain": corpus(corpus_file)}
    ours, theirs = (evaluate_models(plan(path, **settings)).metrics for path in (bare, finished.path / "model"))
    cards = [each["models"][1]["domain"] for each in (ours, theirs)]
    assert cards[0].pop("intervals").keys() == cards[1].pop("intervals").keys()
    assert cards[0] == pytest.approx(cards[1])
    assert ours["tokens"]["method"] == "unknown"


def test_a_tokenizer_grown_by_added_tokens_is_paired_by_bytes(model_folder, corpus_file, tmp_path):
    """Whole words added by transformers' own call: no merge, found before anything else, not conservative."""
    from transformers import AutoTokenizer

    folder = tmp_path / "words"
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    assert tokenizer.add_tokens(["attention_mask", "idden_st", "query_layer"]) == 3
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    metrics = evaluate_models(plan(folder, base=str(model_folder), domain=corpus(corpus_file))).metrics
    card = metrics["models"][1]["domain"]
    assert card["rate_of_new"] > 0.01
    assert card["kl_to_base"] > 0
    assert card["bytes"] == metrics["models"][0]["domain"]["bytes"]


def refusal(kind, match, *arguments, **settings):
    with pytest.raises(kind) as caught:
        evaluate_models(plan(*arguments, **settings))
    assert match in str(caught.value), str(caught.value)


def test_bad_input_is_refused_before_a_model_is_loaded(finished, model_folder, corpus_file, tmp_path, monkeypatch):
    from tokengraft.stages import evaluate

    monkeypatch.setattr(evaluate, "load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    model, text = finished.path / "model", corpus(corpus_file)
    refusal(ConfigError, "no text to measure it on", model)
    refusal(ModelError, "no folder", tmp_path / "nowhere", domain=text)
    refusal(ModelError, "no folder", model, base=str(tmp_path / "nowhere"), domain=text)
    refusal(CorpusError, "nowhere.jsonl", model, base=str(model_folder), domain=corpus(tmp_path / "nowhere.jsonl"))
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"text": ""}\n')
    refusal(CorpusError, "0 documents", model, base=str(model_folder), domain=corpus(empty))
    refusal(ConfigError, "--control without --base", model, control=str(model_folder), domain=text)
    refusal(ConfigError, "unknown setting", model, domain=text, colour="red")
    refusal(ConfigError, "batch_tokens = 0", model, domain=text, batch_tokens=0)

    mute = shutil.copytree(model, tmp_path / "mute")
    for path in mute.glob("token*"):
        path.unlink()
    refusal(TokenizerError, "mute", mute, base=str(model_folder), domain=text)
    refusal(TokenizerError, "is not that of", model, base=str(model_folder), control=str(model), domain=text)
    refusal(
        TokenizerError, "at another id", model_folder, base=str(other_tokenizer(model_folder, tmp_path)), domain=text
    )
    other = shutil.copytree(model_folder, tmp_path / "deeper")
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**settings, "n_layer": 3}))
    refusal(ModelError, "num_hidden_layers 3", model, base=str(other), domain=text)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("x")
    refusal(TokengraftError, "holds something else", model, base=str(model_folder), domain=text, out=str(foreign))


def other_tokenizer(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "other")
    file = TokenizerFile.load(folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = document["model"]["vocab"]
    one, two = list(vocabulary)[50:52]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    assert file.size == TokenizerFile.load(folder).size
    return folder


ADD = {"task_id": "add", "prompt": "def add(a, b):\n", "reference": "    return a + b\n",
       "test": "assert add(1, 2) == 3\n"}  # fmt: skip


def test_code_tasks_are_run_for_each_model_and_kept(finished, model_folder, tmp_path):
    tasks = tmp_path / "mine.jsonl"
    tasks.write_text(json.dumps(ADD) + "\n")
    code = {"tasks": [str(tasks)], "max_new_tokens": 8, "workers": 1}
    settings = {"base": str(model_folder), "out": str(tmp_path / "out")}
    refusal(ConfigError, "--allow-code-execution", finished.path / "model", code=code, **settings)
    refusal(ConfigError, "give --out", finished.path / "model", code={**code, "allow_code_execution": True})
    metrics = evaluate_models(
        plan(finished.path / "model", code={**code, "allow_code_execution": True}, **settings)
    ).metrics
    for name in ("base", "extended"):
        [task] = metrics["code_tasks"][name]["tasks"]
        assert (task["task"], task["scored"], task["references_passed"], task["pass_at"]) == (
            "mine",
            1,
            1.0,
            {"1": 0.0},
        )
        assert (tmp_path / "out" / "code" / name / "mine" / "samples.jsonl").is_file()
    [test] = metrics["code_differences"]
    assert (test["documents"], test["only_before"], test["only_after"]) == (1, 0, 0)
