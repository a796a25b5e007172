"""Run folders that are broken or cut short: what is said, and what is borne."""

import json

import pytest

from tokengraft.errors import ConfigError, RunFolderError
from tokengraft.reporting import render
from tokengraft.reporting.folder import read_run


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(RunFolderError, match="no folder"):
        render(tmp_path / "nowhere")


def test_without_metrics_the_stage_that_must_run_is_named(run_folder):
    (run_folder / "metrics.json").unlink()
    with pytest.raises(RunFolderError) as caught:
        render(run_folder)
    assert "no metrics.json" in caught.value.found
    assert "evaluation" in caught.value.expected
    assert "tokengraft expand" in caught.value.do


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "metrics.json: Expecting property name"),
        ("[]", "metrics.json holds list"),
        ("{}", "metrics.json: no model"),
        ("\x00", "metrics.json: Expecting value"),
    ],
)
def test_broken_metrics_are_refused(run_folder, text, found):
    (run_folder / "metrics.json").write_text(text)
    with pytest.raises(RunFolderError) as caught:
        render(run_folder)
    assert caught.value.found.startswith(found)


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("tokens", "added"), "800", "metrics.json: tokens.added = '800'"),
        (("tokens", "added"), True, "metrics.json: tokens.added = 'True'"),
        (("tokens", "fertility", "domain"), None, "metrics.json: tokens.fertility.domain = 'None'"),
        (("models",), [], "metrics.json: models = '[]'"),
        (("models",), [3], "metrics.json: no models[0]"),
        (("models", 2, "domain", "bits_per_byte"), "low", "metrics.json: models[2].domain.bits_per_byte = 'low'"),
        (("checks", 0, "passed"), 1, "metrics.json: checks[0].passed = '1'"),
        (("timing", "stages", "count"), "fast", "metrics.json: timing.stages.count = 'fast'"),
    ],
)
def test_a_wrong_member_is_named_with_its_path(make_run, path, value, found):
    def change(metrics, _samples, _candidates):
        place = metrics
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    with pytest.raises(RunFolderError) as caught:
        render(make_run(change))
    assert caught.value.found == found


def test_unknown_members_are_let_be(make_run):
    def change(metrics, _samples, _candidates):
        metrics["later"] = {"something": 1}
        metrics["models"][0]["adoption"] = 0.5

    assert read_run(make_run(change)).metrics.models[0].name == "base"


def test_a_broken_candidate_is_named_by_its_line(run_folder):
    path = run_folder / "candidates.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:20]
    path.write_text("\n".join(lines))
    with pytest.raises(RunFolderError, match=r"candidates\.jsonl line 3"):
        render(run_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"bytes": "zz"}, "hexadecimal"), ({"id": None}, "whole number"), ({"notes": [1]}, "list of texts")],
)
def test_a_candidate_of_another_form_is_refused(make_run, change, message):
    with pytest.raises(RunFolderError, match=message):
        render(make_run(lambda _metrics, _samples, candidates: candidates[0].update(change)))


def test_broken_samples_are_refused(make_run):
    def change(_metrics, samples, _candidates):
        samples["passages"][0]["base"][3] = ["only text"]

    with pytest.raises(RunFolderError, match=r"passages\[0\].base"):
        render(make_run(change))


def test_broken_settings_are_refused(run_folder):
    (run_folder / "config.yaml").write_text("a: [")
    with pytest.raises(ConfigError):
        render(run_folder)


def test_a_log_torn_by_a_kill_and_resumed_is_read(run_folder):
    path = run_folder / "log.jsonl"
    again = {"event": "step", "step": 300, "kl": 7.0, "cross_entropy": 1.0}
    path.write_text(path.read_text() + '{"event": "step", "st\n' + json.dumps(again) + '\n{"event": "st')
    steps = read_run(run_folder).steps
    assert [step.step for step in steps] == list(range(1, 301))
    assert steps[-1].kl == 7.0


def test_a_prompt_that_a_continuation_repeats_is_shown_once(make_run):
    def change(_metrics, samples, _candidates):
        item = samples["continuations"][0]
        item["base"]["text"] = item["prompt"] + "rest"

    assert read_run(make_run(change)).continuations[0].outputs[0].text == "rest"


def test_settings_are_dotted_names(run_folder):
    assert read_run(run_folder).settings == {
        "model": "bundled",
        "corpus.path": "models",
        "corpus.include": ["*.py"],
        "seed": 0,
    }
