"""A small study from its settings to its table, stopped and taken up; and the arithmetic of the table."""

import json
import shutil
import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tokengraft.bundled import MODEL_DIR
from tokengraft.cli import main
from tokengraft.cli.printing import print_study
from tokengraft.errors import ConfigError
from tokengraft.reporting.study import render_study, write_study
from tokengraft.study import grid as grid_module
from tokengraft.study import run_study, study_settings, summarise, table_markdown
from tokengraft.study.settings import StudyConfig
from tokengraft.study.table import COLUMNS

TESTS = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def flow_helper(name):
    spec = spec_from_file_location("flow_conftest", TESTS / "flow" / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.fixture
def settings(tmp_path, english, code):
    folder = flow_helper("save_model_folder")(tmp_path / "model", "llama-untied", english, rows=400)
    write = flow_helper("write_jsonl")
    return {
        "model": str(folder),
        "corpus": str(write(tmp_path / "code.jsonl", code)),
        "general": str(write(tmp_path / "english.jsonl", english[:40])),
        "out": str(tmp_path / "study"),
        "tokens": {"size": 20},
        "distill": {"steps": 6, "tokens_per_step": 300, "max_length": 48, "refit_positions": 0},
        "evaluation": {"max_bytes": 3000, "window_bytes": 256, "prompts": 1, "prompt_tokens": 4},
        "study": {
            "seeds": [0, 1],
            "watch_every": 2,
            "judges": 6,
            "variants": {
                "ours": {},
                "mse": {"distill": {"objective": "hidden-mse@1"}},
                "start": {"trained": False},
            },
        },
    }


def test_what_was_read_of_the_teacher_is_shared(settings, monkeypatch):
    """One reading serves all variants and seeds of one kind, and goes when the study is done."""
    from tokengraft.training import teacher_cache

    made, real = [], teacher_cache._write
    monkeypatch.setattr(teacher_cache, "_write", lambda work, *others: (made.append(work.parent), real(work, *others)))
    settings["distill"]["teacher_cache"] = "states"
    settings["study"]["variants"] = {"ours": {}, "warm": {"distill": {"temperature": 2.0}}}
    done = run_study(settings)
    assert made == [done.path / "teacher"]
    assert not (done.path / "teacher").exists()
    settings |= {"out": settings["out"] + "-timed"}
    settings["study"] |= {"seconds": 0.2, "seeds": [0]}
    run_study(settings)
    assert len(made) > 2  # at equal time each pays for its own


def test_a_study_is_resumed_cell_by_cell_and_makes_its_table(settings, monkeypatch, capsys):
    real, ran = grid_module.run_cell, []

    def counted(material, chosen, seed, *, trained):
        if len(ran) == 2:
            raise KeyboardInterrupt
        ran.append((chosen.distill.objective, seed, trained))
        return real(material, chosen, seed, trained=trained)

    monkeypatch.setattr(grid_module, "run_cell", counted)
    with pytest.raises(KeyboardInterrupt):
        run_study(settings)
    ran_before, ran[:] = list(ran), []
    monkeypatch.setattr(grid_module, "run_cell", lambda *a, **k: ran.append(1) or real(*a, **k))
    study = run_study(settings)
    assert len(ran_before) == 2
    assert len(ran) == 4, "the cells that were done are not run again"

    table = (study.path / "study.md").read_text()
    for word in ("| ours |", "| mse |", "| start |", "domain bits/byte", "±"):
        assert word in table
    print_study(study, as_json=False)
    assert "ours" in capsys.readouterr().out
    print_study(study, as_json=True)
    kept = json.loads(capsys.readouterr().out)
    assert len(kept["cells"]) == 6
    ours = next(row for row in kept["rows"] if row["name"] == "ours")
    assert ours["values"]["kl"]["mean"] > 0
    assert ours["values"]["kl"]["difference"] is None, "the reference has none from itself"
    start = next(row for row in study.rows if row.name == "start")
    assert start.values["steps"].mean == 0
    assert start.values["kl"].low <= start.values["kl"].difference <= start.values["kl"].high
    cells = {(cell["variant"], cell["seed"]): cell for cell in kept["cells"]}
    assert [point["step"] for point in cells["ours", 0]["curve"]] == [2, 4, 6]
    assert cells["ours", 0]["domain"] != cells["ours", 1]["domain"], "seeds differ"

    assert cells["start", 0]["start"]["cosines"] == cells["start", 0]["cosines"], "nothing moved"
    assert cells["ours", 0]["start"]["cosines"] != cells["ours", 0]["cosines"]
    assert 0 <= cells["ours", 0]["after_new"]["second_piece"] <= 1
    page = (study.path / "study.html").read_text(encoding="utf-8")
    for text in (
        "Differences in KL to base, domain",
        "KL by step",
        "against ours",
        "hidden-mse@1",
        "Cosines of the head",
    ):
        assert text in page

    monkeypatch.setattr(grid_module, "run_cell", lambda *_, **__: pytest.fail("everything is there"))
    assert run_study(settings).rows == study.rows


def test_a_variant_has_its_own_seeds_and_the_target_its_own_name(settings):
    settings["study"]["variants"] = {"ours": {}, "start": {"trained": False, "seeds": [0]}, "mse": {"seeds": [1]}}
    settings["study"] |= {"choice": False, "target": "mse"}
    study = run_study(settings)
    assert sorted(study.cells) == [("mse", 1), ("ours", 0), ("ours", 1), ("start", 0)]
    assert study.cells["ours", 0]["choice"] is None
    kept = json.loads((study.path / "study.json").read_text())
    assert kept["kl_target"] == study.cells["mse", 1]["curve"][-1]["kl"]
    assert {row.name: row.seeds for row in study.rows} == {"ours": (0, 1), "start": (0,), "mse": (1,)}


def test_equal_time_finds_its_steps(settings):
    settings["study"] |= {"seconds": 0.5, "seeds": [0], "variants": {"ours": {}}}
    study = run_study(settings)
    assert study.cells["ours", 0]["steps"] >= 1
    assert study.rows[0].values["steps"].mean != 6 or study.cells["ours", 0]["seconds_to_train"] > 0.1


def test_compare_runs_the_study_of_a_file(settings, tmp_path, capsys):
    settings["study"] |= {"seeds": [0], "variants": {"start": {"trained": False}}}
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(settings))
    with pytest.raises(SystemExit) as end:
        main(["compare", str(path), "--json"])
    assert end.value.code in {0, None}
    assert json.loads(capsys.readouterr().out)["rows"][0]["name"] == "start"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"variants": {}}, "without variants"),
        ({"variants": {"a": {"tokens": {"size": 3}}}}, "study.variants.a sets tokens"),
        ({"variants": {"a": {"distill": {"objective": "kx"}}}}, "objective 'kx'"),
        ({"variants": {"a": {"init": {"inputs": "omp"}}}}, "without donor"),
        ({"variants": {"a": {}}, "reference": "b"}, "study.reference"),
        ({"variants": {"a": {}}, "target": "b"}, "study.target"),
        ({"variants": {"a": {"seeds": ["x"]}}}, "study.variants.a.seeds"),
        ({"variants": {"a": {}}, "seed": [1]}, "study.seed"),
    ],
)
def test_a_study_is_refused_before_work(settings, change, words):
    settings["study"] = change
    with pytest.raises(ConfigError, match=words):
        study_settings(settings)


def cell(bits, kl, curve=()):
    part = {"bits_per_byte": bits, "kl_to_base": kl, "mass_on_new": 0.1, "rate_of_new": 0.2}
    return {
        "domain": part,
        "general": part,
        "steps": 4,
        "curve": [{"step": s, "seconds": s / 2, "kl": k} for s, k in curve],
    }


def test_the_table_pairs_seeds():
    """Differences are taken seed by seed: what seeds have in common does not widen their interval."""
    study = StudyConfig(variants={"a": {}, "b": {}}, seeds=(0, 1, 2))
    cells = {}
    for seed, common in enumerate((0.0, 0.5, 1.0)):
        cells["a", seed] = cell(2 + common, 0.1, [(5, 0.3), (10, 0.1)])
        cells["b", seed] = cell(1.9 + common, 0.1, [(5, 0.05), (10, 0.04)])
    rows = {row.name: row for row in summarise(cells, study, cell(2.0, 0.0))}
    value = rows["b"].values["domain"]
    assert value.difference == pytest.approx(-0.1)
    assert value.low == pytest.approx(-0.1)
    assert value.high == pytest.approx(-0.1)
    assert value.spread == pytest.approx(0.5)
    assert rows["a"].values["domain_change"].mean == pytest.approx(25.0)
    assert rows["a"].values["calibration"].mean == pytest.approx(0.5)
    assert (rows["a"].steps_to_kl, rows["b"].steps_to_kl) == (10, 5), "the target is what the reference came to"
    table = table_markdown(list(rows.values()), cell(2.0, 0.0), ("domain",))
    assert "| b | 2.4000 ± 0.5000 (-0.1000 [-0.1000, -0.1000])" in table


def study_of(names, **changes):
    """What `study.json` holds of variants with these names."""
    study = StudyConfig(variants={name: {} for name in names}, seeds=(0, 1, 2))
    cells = {
        (name, seed): cell(2 + place / 10 + seed / 100, 0.3 - place / 10, [(5, 0.4), (10, 0.3 - place / 10)])
        for place, name in enumerate(names) for seed in study.seeds
    }  # fmt: skip
    base = cell(2.0, 0.0)
    rows = summarise(cells, study, base)
    return {
        "title": "", "reference": names[0], "target": names[0], "kl_target": 0.3, "shared": "few steps", "base": base,
        "variants": dict.fromkeys(names, "{}"), "rows": [row.to_dict() for row in rows],
        "columns": {name: {"heading": text, "decimals": digits} for name, (text, _, digits) in COLUMNS.items()},
        "cells": [{**one, "variant": name} for (name, _), one in cells.items()], **changes,
    }  # fmt: skip


def test_the_page_says_who_is_best_and_escapes_names():
    page = render_study(study_of(["ours", "<script>alert(1)</script>", "b\u202ec"]))
    assert "ours, the reference, has the least bits per byte of the domain of 3 variants." in page
    assert "has the least KL to the base, 0.2 below ours: more than the seeds" in page
    assert "<script" not in page
    assert "\u202e" not in page
    assert "https://" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_a_page_of_one_variant_that_was_not_trained():
    alone = study_of(["ours"])
    for one in alone["cells"]:
        one["curve"] = []
    assert "How the KL fell" not in render_study(alone)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: the page is not tried in a browser")
def test_the_console_is_silent(tmp_path):
    page = write_study(study_of(["ours", "theirs"]), tmp_path / "page.html")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--enable-logging=stderr", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "Differences in KL to base" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


def test_the_grids_of_the_benchmark_name_methods_that_there_are(settings):
    spec = spec_from_file_location("study_benchmark", TESTS.parent / "benchmarks" / "study.py")
    benchmark = module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    for variants in (benchmark.objectives(), benchmark.starts(None), benchmark.starts(settings["model"])):
        config, study = study_settings({**settings, "study": {"variants": variants}})
        assert config.tokens.size == 20
        assert len(study.variants) > 20
    assert set(benchmark.LEADING) <= set(benchmark.objectives())


def test_compare_knows_the_bundled_model(settings, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("tokengraft.study.run_study", asked.append)
    monkeypatch.setattr("tokengraft.cli.printing.print_study", lambda *_, **__: None)
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(settings | {"model": "demo:model"}))
    with pytest.raises(SystemExit) as end:
        main(["compare", str(path)])
    assert not end.value.code
    assert asked[0]["model"] == str(MODEL_DIR)
