"""What was measured, on the page: sentences with their certainty, tables, plots; and what is said where none is."""

import dataclasses
import json
import re
from itertools import product

import pytest

from tokengraft.errors import RunFolderError
from tokengraft.reporting import measured, render
from tokengraft.reporting.folder import read_run
from tokengraft.reporting.verdicts import headline
from tokengraft.reporting.words import findings


def plain(markup):
    return " ".join(re.sub("<[^>]+>", "", str(markup)).replace("\u202f", " ").split())


def sentences(folder):
    return [(each.kind, plain(each.text)) for each in findings(read_run(folder).metrics)]


def test_the_page_shows_all_that_was_measured(measured_folder):
    html = render(measured_folder)
    for name in ("forest", "documents", "frequency", "calibration", "distance", "phase-0", "map"):
        assert f'<use href="#{name}-' in html or f"url(#{name}-" in html, name
    text = plain(html)
    for words in (
        "Cosine to the rows of their pieces", "Norms of rows", "new token is the first choice", "bytes a second",
        "arc_easy", "exact McNemar p 0.420", "read only", "1.309 to 1.349",
    ):  # fmt: skip
        assert words in text, words
    assert text.index("What was gained") < text.index("The same text, before and after")
    assert len(html) < 1_000_000


def test_sentences_say_what_is_certain(measured_folder):
    said = sentences(measured_folder)
    assert [kind for kind, _ in said] == ["gained", "gained", "gained", "same", "gained", "lost", "same"][
        : len(said)
    ] or said
    kinds = dict.fromkeys(kind for kind, _ in said)
    assert {"gained", "same"} <= set(kinds)
    text = " ".join(words for _, words in said)
    assert (
        "predicts better than the base: −0.250 bits per byte, 95 % interval −0.280 to −0.220 over 24 documents" in text
    )
    assert "better than the control" in text
    assert "On general text no difference to the base can be shown" in text
    assert "540 of 635 new tokens that the held-out text holds are learned" in text
    assert "165 do not occur in it" in text
    assert "No control was measured" not in text


def test_a_loss_is_called_a_loss(make_run):
    def change(metrics, _samples, _candidates):
        worse = {"value": 0.2, "low": 0.1, "high": 0.3, "p_value": 0.001, "documents": 24}
        metrics["differences"] = [
            {"before": "base", "after": "distilled", "part": part, "metric": "bits_per_byte", "change": worse}
            for part in ("domain", "general")
        ]

    said = sentences(make_run(change))
    assert ("lost", next(text for _, text in said if "worse than the base" in text)) in said
    assert sum(kind == "lost" for kind, _ in said) == 2


def test_too_few_general_documents_are_said(make_run):
    def change(metrics, _samples, _candidates):
        found = {"value": -0.2, "low": -0.3, "high": -0.1, "p_value": 0.001, "documents": 24}
        metrics["differences"] = [
            {"before": "base", "after": "distilled", "part": part, "metric": "bits_per_byte", "change": change}
            for part, change in (("domain", found), ("general", None))
        ]

    said = sentences(make_run(change))
    assert ("unknown", "Too few general documents to say how certain it is what was forgotten.") in said


def test_the_headline_claims_no_more_than_the_interval(make_run):
    def change(low, high):
        def alter(metrics, _samples, _candidates):
            metrics["models"][2]["domain"]["bits_per_byte"] = 1.31
            found = {"value": -0.019, "low": low, "high": high, "p_value": 0.2, "documents": 24}
            metrics["differences"] = [
                {"before": "base", "after": "distilled", "part": "domain", "metric": "bits_per_byte", "change": found}
            ]

        return alter

    unsure, sure = (
        plain(headline(read_run(make_run(change(-0.05, high), name)).metrics))
        for name, high in (("a", 0.01), ("b", -0.01))
    )
    assert "no difference to the base" in unsure
    assert "better than the base" in sure


def test_p_values_are_corrected_for_their_number(make_run):
    def change(metrics, _samples, _candidates):
        close = {"value": -0.1, "low": -0.2, "high": -0.001, "p_value": 0.04, "documents": 24}
        metrics["differences"] = [
            {"before": "base", "after": "distilled", "part": part, "metric": "bits_per_byte", "change": close}
            for part in ("domain", "general")
        ]

    assert not any("better" in text for _, text in sentences(make_run(change)))


def test_what_is_not_known_is_said(make_run):
    def change(metrics, _samples, _candidates):
        for card in metrics["models"]:
            card["general"] = None

    text = " ".join(words for _, words in sentences(make_run(change)))
    assert "No control was measured" in text
    assert "what was forgotten is not known" in text
    assert "Too few held-out documents" in text


def test_a_run_without_details_has_a_page(run_folder):
    html = plain(render(run_folder))
    assert "Where the rows lie was not measured in this run" in html


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("distilled.json", "{", "distilled.json"),
        ("distilled.json", '{"name": "distilled", "domain": {"documents": {"name": 3}}}', "domain.documents.name"),
        ("tokens.jsonl", '{"id": "x", "count": 1, "models": {"distilled": {"verdict": 3}}}', "tokens.jsonl line 1"),
    ],
)
def test_broken_details_are_named(measured_folder, file, text, found):
    (measured_folder / "evaluation" / file).write_text(text)
    with pytest.raises(RunFolderError) as caught:
        render(measured_folder)
    assert found in caught.value.found


def test_curves_of_phases_stand_beside_the_controls(measured_folder):
    run = read_run(measured_folder)
    assert {(curve.phase, curve.loss) for curve in run.curves} == {
        (phase, loss) for phase in ("tables", "control tables") for loss in ("cross_entropy", "nats_per_base_token")
    }
    [chart] = measured.phase_curves(run.curves)
    assert ">control<" in chart
    assert "nats a base token" in chart
    [alone] = measured.phase_curves([curve for curve in run.curves if curve.phase == "tables"])
    assert ">control<" not in alone


def test_losses_per_token_of_two_tokenizers_are_not_drawn_together(measured_folder):
    old = [curve for curve in read_run(measured_folder).curves if curve.loss == "cross_entropy"]
    [chart] = measured.phase_curves(old)
    assert ">control<" not in chart
    assert "nats a token" in chart


def test_what_was_evaluated_between_steps_is_a_curve(measured_folder):
    with (measured_folder / "log.jsonl").open("a") as log:
        for part, step in product(("lora: lora", "control lora: lora"), (10, 20)):
            figures = {"domain_bits_per_byte": 2 - step / 20, "general_bits_per_byte": 1.5}
            log.write(json.dumps({"event": "phase evaluation", "part": part, "step": step, **figures}) + "\n")
    charts = measured.phase_curves(read_run(measured_folder).curves)
    assert len(charts) == 3
    assert all(">control<" in chart for chart in charts)


def test_every_token_has_its_own_figures(measured_folder):
    run = read_run(measured_folder)
    lines = [json.loads(line) for line in (measured_folder / "evaluation" / "tokens.jsonl").read_text().splitlines()]
    by_id = {line["id"]: line for line in lines}
    for token in run.tokens:
        assert token.learned.verdict == by_id[token.id]["models"]["distilled"]["verdict"]
        assert token.learned.count == by_id[token.id]["count"]


def test_documents_must_be_the_same_to_be_drawn(measured_folder):
    base, *_, final = read_run(measured_folder).details
    assert measured.documents(base, final) is not None
    other = dataclasses.replace(final.domain, names=final.domain.names[::-1])
    assert measured.documents(base, dataclasses.replace(final, domain=other)) is None


def test_hostile_names_of_models_and_tasks_stay_text(measured_folder):
    metrics = json.loads((measured_folder / "metrics.json").read_text())
    hostile = "<script>alert(1)</script>"
    metrics["models"][1]["name"] = hostile
    metrics["lm_eval"] = {hostile: {hostile: {"metrics": {hostile: {"value": 0.5, "stderr": None}}, "documents": 3}}}
    metrics["differences"][0]["before"] = hostile
    (measured_folder / "metrics.json").write_text(json.dumps(metrics))
    assert hostile not in render(measured_folder)
