"""The headline and the key figures: each promise is held, missed, or out of reach, and says so."""

import re

import pytest

from tokengraft.reporting.folder import read_run
from tokengraft.reporting.verdicts import headline, tiles


def _metrics(make_run, change):
    return read_run(make_run(lambda metrics, _samples, _candidates: change(metrics))).metrics


def _set_bits(metrics, model, part, value):
    metrics["models"][model][part]["bits_per_byte"] = value


def _words(make_run, change):
    return re.sub("<[^>]+>", "", headline(_metrics(make_run, change))).replace("\u202f", " ")


@pytest.mark.parametrize(
    ("bits", "gap", "words"),
    [
        (1.205, 1.27, "better than the base (1.205 bits per byte against the base’s 1.329)"),
        (1.3289, 1.0002, "100 % of the loss gap closed"),
        (1.9, -0.2, "none of the loss gap closed"),
        (1.4, None, "1.400 bits per byte against the base’s 1.329"),
        (float("nan"), float("nan"), "not a number bits per byte"),
    ],
)
def test_what_became_of_the_loss(make_run, bits, gap, words):
    def change(metrics):
        _set_bits(metrics, 2, "domain", bits)
        metrics["gap_closed"] = gap

    assert words in _words(make_run, change)


@pytest.mark.parametrize(
    ("bits", "words"),
    [(1.412, "unchanged to 0 %"), (1.5, "6.2 % worse"), (1.3, "7.9 % better"), (float("nan"), "not a number worse")],
)
def test_what_became_of_general_text(make_run, bits, words):
    assert words in _words(make_run, lambda metrics: _set_bits(metrics, 2, "general", bits))


def test_a_longer_text_is_not_called_fewer_tokens(make_run):
    def change(metrics):
        metrics["tokens"]["fertility"]["domain"].update(tokens_base=100, tokens_extended=104)

    assert "4.0 % more tokens" in _words(make_run, change)


def _verdict(make_run, label, change):
    return next(tile for tile in tiles(_metrics(make_run, change)) if tile.label == label).verdict


def _domain(metrics, **values):
    metrics["tokens"]["fertility"]["domain"].update(values)


@pytest.mark.parametrize(
    ("label", "change", "verdict"),
    [
        ("new tokens", lambda m: m["tokens"].update(added=799), "missed"),
        ("new tokens", lambda m: m["tokens"].update(added=800), "kept"),
        ("fewer tokens", lambda m: _domain(m, tokens_base=1000, tokens_extended=850), "kept"),
        ("fewer tokens", lambda m: _domain(m, tokens_base=1000, tokens_extended=851), "missed"),
        ("fewer tokens", lambda m: m["tokens"].update(ceiling={"domain": 0.11}), "open"),
        ("documents longer", lambda m: _domain(m, documents_longer=1), "missed"),
        ("of the loss gap closed", lambda m: m.update(gap_closed=0.79), "missed"),
        ("of the loss gap closed", lambda m: m.update(gap_closed=0.8), "kept"),
        ("on general text", lambda m: _set_bits(m, 2, "general", 1.412 * 1.031), "missed"),
        ("on general text", lambda m: _set_bits(m, 2, "general", 1.0), "kept"),
        ("old rows and logits", lambda m: m["exactness"].update(old_logits_identical=False), "missed"),
        ("peak memory", lambda m: m["memory"].update(engine_bytes=m["memory"]["plain_bytes"]), "missed"),
        ("checks passed", lambda m: m["checks"][0].update(passed=False), "missed"),
        ("checks passed", lambda m: m.update(seed=1), "kept"),
    ],
)
def test_promises_are_held_against_figures(make_run, label, change, verdict):
    assert _verdict(make_run, label, change) == verdict


@pytest.mark.parametrize(("low", "words"), [(0.001, "0.28 % worse"), (-0.001, "unchanged to 0.28 %")])
def test_a_small_change_that_is_certain_is_not_called_unchanged(make_run, low, words):
    def change(metrics):
        _set_bits(metrics, 2, "general", 1.416)
        base, final = metrics["models"][0]["name"], metrics["models"][2]["name"]
        metrics["differences"] = [
            {
                "before": base, "after": final, "part": "general", "metric": "bits_per_byte",
                "change": {"value": 0.004, "low": low, "high": 0.008, "p_value": 0.002, "documents": 16},
            }
        ]  # fmt: skip

    assert words in _words(make_run, change)
