"""Runs beside each other: what is paired, what is said, and the page."""

import json
import random
import re
import shutil
import subprocess

import pytest

from tokengraft.cli import main
from tokengraft.errors import ConfigError, RunFolderError
from tokengraft.evaluation.comparison import RunFigures, compare, read_figures
from tokengraft.reporting.comparison import render_comparison, write_comparison
from tokengraft.reporting.comparison_words import findings
from tokengraft.reporting.evidence import Detail, Documents
from tokengraft.statistics import cochran_q, mcnemar, two_proportion_z_test

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def outcomes(seed, count=80, rate=0.4, samples=1):
    draw = random.Random(seed)
    return {f"p/{place}": [draw.random() < rate for _ in range(samples)] for place in range(count)}


def documents(factor, count=30):
    draw = random.Random(3)
    sizes = [draw.randint(100, 900) for _ in range(count)]
    return {f"d{place}": (size * factor * draw.gauss(0.7, 0.02), float(size)) for place, size in enumerate(sizes)}


def run(name, seed=0, **more):
    return RunFigures(name, {"humaneval": outcomes(seed, **more)}, {"domain": documents(1 - seed / 100)})


def test_pairs_are_of_the_shared_problems():
    first, second = run("base", 1, count=90), run("new", 2, count=80)
    [task] = compare([first, second]).tasks
    [pair] = task.pairs
    rows = [[one.tasks["humaneval"][f"p/{place}"][0] for place in range(80)] for one in (first, second)]
    assert task.problems == 80
    assert pair.mcnemar == mcnemar(*rows)
    assert pair.z_test == two_proportion_z_test(sum(rows[0]), 80, sum(rows[1]), 80)
    assert pair.difference.value == pytest.approx((sum(rows[1]) - sum(rows[0])) / 80)
    assert pair.p_value == pair.p_holm == pair.mcnemar.p_value


def test_several_runs_are_corrected_and_tested_together():
    runs = [run("base", 1), run("a", 2, rate=0.8), run("b", 3)]
    comparison = compare(runs)
    [task] = comparison.tasks
    assert [(pair.first, pair.second) for pair in task.pairs] == [("base", "a"), ("base", "b")]
    assert all(pair.p_holm >= pair.p_value for pair in task.pairs)
    assert task.cochran == cochran_q([[row[0] for row in one.tasks["humaneval"].values()] for one in runs])
    assert len(compare(runs, all_pairs=True).tasks[0].pairs) == 3


def test_several_samples_have_no_mcnemar():
    [task] = compare([run("base", 1, samples=4), run("new", 2, samples=4, rate=0.9)]).tasks
    assert task.pairs[0].mcnemar is None
    assert task.pairs[0].p_value == task.pairs[0].difference.p_value < 0.01
    assert task.cochran is None


def test_documents_of_another_size_are_other_documents():
    first, second = run("base", 1), run("new", 5)
    second.texts["domain"]["d0"] = (1.0, 7.0)
    comparison = compare([first, second])
    [text] = comparison.texts
    assert text.documents == 29
    assert text.pairs[0].difference.value < 0
    assert text.pairs[0].better == 29
    assert any("29 documents" in remark for remark in comparison.remarks)


def test_a_handful_of_documents_proves_nothing():
    few = [RunFigures(name, {}, {"domain": documents(factor, 4)}) for name, factor in (("a", 1.0), ("b", 0.5))]
    comparison = compare(few)
    assert comparison.texts[0].pairs[0].p_holm == 1
    assert any("4 documents are too few" in remark for remark in comparison.remarks)
    assert "too few to say more" in render_comparison(comparison)


@pytest.mark.parametrize(("count", "kind"), [(6, "gained"), (5, "unknown")])
def test_documents_whose_signs_alone_could_show_nothing_are_too_few(count, kind):
    """Five that all agree have p 0.0625 by the sign test; six have 0.031."""
    pair = [RunFigures(name, {}, {"domain": documents(factor, count)}) for name, factor in (("a", 1.0), ("b", 0.5))]
    [found] = findings(compare(pair), [])
    assert found.kind == kind
    assert ("too few to say more" in found.text) == (kind == "unknown")


def test_what_is_not_shared_is_said():
    first = run("base", 1, count=90)
    second = RunFigures("new", {"humaneval": outcomes(2), "mbpp": outcomes(3)}, {})
    remarks = compare([first, second]).remarks
    assert "benchmark humaneval: compared on the 80 problems that all have; base has 10 more" in remarks
    assert "benchmark mbpp: only new has it, nothing to compare" in remarks
    assert "text domain: only base has it, nothing to compare" in remarks


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [run("alone")],
        [RunFigures("a", {"mbpp": outcomes(1)}), RunFigures("b", {"humaneval": outcomes(1)})],
        [RunFigures("a", {"mbpp": {"x": [True]}}), RunFigures("b", {"mbpp": {"y": [True]}})],
    ],
)
def test_nothing_in_common(runs):
    with pytest.raises(ConfigError):
        compare(runs)


@pytest.fixture
def folders(tmp_path):
    for place, name in enumerate(("base", "control", "extended")):
        folder = tmp_path / name
        (folder / "evaluation").mkdir(parents=True)
        tasks = [{"task": "humaneval", "outcomes": outcomes(place)}]
        (folder / "results.json").write_text(json.dumps({"kind": "code-tasks", "tasks": tasks}))
        (folder / "metrics.json").write_text(json.dumps({"models": [{"name": "first"}, {"name": "last"}]}))
        for model, factor in (("first", 1.0), ("last", 1.0 - place / 10)):
            rows = documents(factor)
            columns = {
                "name": list(rows), "nats": [nats for nats, _ in rows.values()],
                "bytes": [size for _, size in rows.values()], "tokens": [1] * len(rows),
            }  # fmt: skip
            detail = {"name": model, "domain": {"documents": columns}, "general": None}
            (folder / "evaluation" / f"{model}.json").write_text(json.dumps(detail))
    return [str(tmp_path / name) for name in ("base", "control", "extended")]


def test_folders_are_read(folders):
    base, extended = read_figures([folders[0], folders[2]])
    assert (base.name, extended.name) == ("base", "extended")
    assert base.tasks["humaneval"] == outcomes(0)
    assert extended.texts["domain"] == documents(0.8)


def test_a_model_of_a_run_can_be_named(folders):
    first, last = read_figures([f"{folders[2]}:first", f"{folders[2]}:last"])
    assert (first.name, last.name) == ("first", "last")
    assert first.texts["domain"] == documents(1.0)
    assert not first.tasks


def test_one_folder_stands_for_its_models(folders, tmp_path):
    code = tmp_path / "extended" / "code" / "last"
    code.mkdir(parents=True)
    (tmp_path / "extended" / "results.json").replace(code / "results.json")
    first, last = read_figures([folders[2]])
    assert [one.name for one in (first, last)] == ["first", "last"]
    assert (first.tasks, last.tasks["humaneval"]) == ({}, outcomes(2))
    assert read_figures([f"{folders[2]}:last"])[0].tasks == last.tasks
    assert read_figures([folders[2], folders[1]])[0].tasks == last.tasks, "a folder among others: its last model"


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"kind": "other"}', '{"kind": "code-tasks"}', '{"kind": "code-tasks", "tasks": [1]}']
)
def test_broken_results(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(RunFolderError):
        read_figures([str(tmp_path)])


def test_folders_without_results(tmp_path):
    for place in (str(tmp_path), str(tmp_path / "nowhere"), f"{tmp_path}:model"):
        with pytest.raises(RunFolderError):
            read_figures([place])


def called(*words):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code


def test_the_command(folders, capsys, tmp_path):
    called("compare", *folders, "--out", str(tmp_path / "page.html"))
    output = capsys.readouterr().out
    assert "humaneval, 80 problems" in output
    assert "page.html" in output
    called("compare", *folders, "--json")
    read = json.loads(capsys.readouterr().out)
    assert read["runs"] == ["base", "control", "extended"]
    assert read["tasks"][0]["pairs"][0]["mcnemar"]["p_value"] <= 1


def test_every_pair_of_texts_is_printed(folders, capsys):
    called("compare", *folders, "--all-pairs")
    assert "control → extended" in capsys.readouterr().out.partition("bits per byte, domain text")[2]
    called("compare", *folders)
    assert "control → extended" not in capsys.readouterr().out


def test_differences_bear_their_sign(folders, capsys):
    called("compare", *reversed(folders))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "extended → base" in line]
    assert re.search(r"│ \s*[+-]\d+\.\d% │ \s*[+-]\d+\.\d% – [+-]\d+\.\d% │", line), line
    page = render_comparison(compare([run("a", 5), run("b", 0), run("c", 9)]))
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">(\w+)</th>(.*?)</tr>", page)
    changes = [cell for name, cells in rows for cell in re.findall("<td>(.*?)</td>", cells) if name == "b"]
    bits = changes[-4:-2]
    assert re.fullmatch(r"\+0\.\d{4}", bits[0]), changes
    assert re.fullmatch(r"[+−]0\.\d{4} to \+0\.\d{4}", bits[1]), changes


def test_the_summary_says_what_was_gained_and_what_lost():
    better, worse = (RunFigures(name, {}, {"domain": documents(by)}) for name, by in (("better", 0.9), ("worse", 1.1)))
    comparison = compare([RunFigures("base", {}, {"domain": documents(1.0)}), worse, better], all_pairs=True)
    found = [(each.kind, str(each.text)) for each in findings(comparison, [])]
    assert [kind for kind, _ in found] == ["gained", "gained", "lost"]
    assert found[0][1].startswith("<b>better</b> needs 10.0\u202f% fewer bits for domain text than base, 30 of 30")
    assert "than worse" in found[1][1]
    page = render_comparison(comparison)
    assert page.count('<li class="gained">') == page.count('<li class="lost">') == 1, "the first is the headline"
    assert "against worse" in page.split("</svg>")[0], "a pair without the first run names both in the forest plot"
    assert "better against worse</th>" in page


def test_all_figures_stand_beside_each_other(measured_folder):
    figures = read_figures([str(measured_folder)])
    comparison = compare(figures)
    page = render_comparison(comparison, figures)
    table = page[page.index("Every figure, run by run") : page.index("Tasks of lm-eval")]
    assert re.findall(r'<th scope="col">(\w+)</th>', table) == ["base", "control", "initialised", "distilled"]
    row = table[table.index("mean reciprocal rank") :]
    assert re.findall(r"<td>(.*?)</td>", row)[:4] == ["–", "–", "0.470", "0.470"]
    assert "written: bytes a second" in table
    assert "arc_easy, acc" in page
    assert "right only in the first 5, only in the second 9, of 200" in page
    for figure in ("KL to base", "Calibration", "Adopted", "gained, lost", "Bits a byte"):
        assert (f"<dt>{figure}" in page) == (figure != "gained, lost"), "only figures that stand on the page"
    assert "fewer tokens for the same domain text than base" in page


def test_what_text_costs_is_said_once_for_runs_that_share_tokens():
    def detail(name, *tokens):
        return Detail(name, Documents(("a", "b"), (40.0, 60.0), tokens, (1.0, 1.0)))

    runs = [RunFigures(name, {}, {"domain": documents(1.0)}) for name in ("base", "first", "last", "worse")]
    details = [detail("base", 10.0, 30.0), detail("first", 8.0, 22.0), detail("last", 8.0, 22.0)]
    said = [each for each in findings(compare(runs), [*details, detail("worse", 20.0, 30.0)]) if "takes" in each.text]
    assert [(each.kind, str(each.text)) for each in said] == [
        ("lost", "<b>worse</b> takes 25.0\u202f% more tokens for the same domain text than base."),
        ("gained", "<b>last</b> takes 25.0\u202f% fewer tokens for the same domain text than base."),
    ]


def test_the_page_escapes_names_and_asks_nobody(tmp_path):
    runs = [run("<script>alert(1)</script>", 1), run("b\u202ec", 2)]
    page = render_comparison(compare(runs))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "http://www.w3.org" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "https://" not in page
    assert write_comparison(compare(runs), tmp_path / "page.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_page_of_runs_that_are_all_alike(rate):
    page = render_comparison(compare([run("a", 1, rate=rate), run("b", 1, rate=rate)]))
    assert "solves as many of humaneval" in page


def test_the_page_shows_what_stands_behind_the_figures(measured_folder, tmp_path):
    figures = read_figures([str(measured_folder)])
    assert [one.name for one in figures] == ["base", "control", "initialised", "distilled"]
    page = write_comparison(compare(figures), tmp_path / "page.html", figures).read_text(encoding="utf-8")
    for title in ("Bits per byte: difference", "Bytes a token, by document", "Frequency against tokens saved",
                  "Calibration of new tokens", "KL to the base behind a new token", "nats a base token",
                  "Cosine to the rows of their pieces", "Norms of rows", "two main directions",
                  "The same text, before and after"):  # fmt: skip
        assert title in page, title
    assert page.count("<script>") == 1
    assert "script-src &#39;sha256-" in page


def test_a_page_of_texts_alone():
    page = render_comparison(compare([RunFigures("a", {}, {"general": documents(1.0)}),
                                      RunFigures("b", {}, {"general": documents(0.9)})]))  # fmt: skip
    assert "fewer bits for general text" in page
    assert "Code problems" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: the page is not tried in a browser")
@pytest.mark.parametrize("measured", [False, True])
def test_the_console_is_silent(measured, measured_folder, tmp_path):
    figures = read_figures([str(measured_folder)]) if measured else [run("a", 1), run("b", 2), run("c", 3)]
    page = write_comparison(compare(figures, all_pairs=True), tmp_path / "page.html", figures)
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--enable-logging=stderr", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "Forest plot of differences" in done.stdout
    assert ('class="tip"' in done.stdout) == measured, "what shows a touched token, made by the script"
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
