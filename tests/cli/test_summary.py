"""What a finished run prints, for every kind of outcome."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tokengraft.cli.summary import figures, print_summary

MIB = 2**20


def card(name, domain, general=None, kl=0.25, doubled=None):
    return {
        "name": name,
        "domain": {"bits_per_byte": domain, "kl_to_base": kl, "double_subword_rate": doubled},
        "general": None if general is None else {"bits_per_byte": general},
    }


def counts(base, extended, longer=0, documents=3):
    return {"tokens_base": base, "tokens_extended": extended, "documents_longer": longer, "documents": documents}


def metrics(base=1.5, initialised=2.0, distilled=1.6, *, general=True, **changes):
    closed = (initialised - distilled) / (initialised - base) if initialised > base else None
    return {
        "title": "a model: 30 new tokens",
        "tokens": {
            "added": 30, "asked": 40, "base_size": 300,
            "fertility": {"domain": counts(200, 150), "general": counts(100, 99, 1) if general else None},
            "ceiling": {"domain": 0.4},
        },
        "exactness": {"old_rows_identical": True, "old_logits_identical": True, "compared_logits": 1234},
        "checks": [{"passed": True}, {"passed": True}, {"passed": False}],
        "models": [
            card("base", base, 3.0 if general else None, kl=0.0),
            card("initialised", initialised, 3.2 if general else None, doubled=0.125),
            card("distilled", distilled, 3.03 if general else None, doubled=0.0625),
        ],
        "gap_closed": closed,
        "memory": {"engine_bytes": 300 * MIB, "plain_bytes": 900 * MIB, "baseline_bytes": 250 * MIB},
        "timing": {"total_seconds": 61.6},
        "hardware": {"cpu": "a processor"},
        **changes,
    }  # fmt: skip


def printed(values, capsys, path=Path("my-run")):
    print_summary(SimpleNamespace(metrics=values, path=path, report=path / "report.html"))
    return capsys.readouterr().out


def test_every_figure():
    found = dict(figures(metrics()))
    assert found == {
        "new tokens": "30 of 40 asked for, on 300 old ones",
        "held-out domain text": "25.0% fewer tokens (200 to 150), 0 of 3 documents longer",
        "general text": "1.0% fewer tokens (100 to 99), 1 of 3 documents longer",
        "ceiling of the pattern": "40.0% fewer tokens at most",
        "promises checked": "2 of 3 hold",
        "old rows, old logits": "rows identical, 1234 logits identical bit for bit",
        "domain bits per byte": "+6.67% against the base (80.0% of the gap closed)",
        "general bits per byte": "+1.00% against the base",
        "peak memory": "300 MiB (the plain way 900; before the first step 250)",
        "time": "62 s on a processor",
    }


def test_without_general_text_and_without_memory():
    found = dict(figures(metrics(general=False, memory=None)))
    assert not {"general text", "general bits per byte", "peak memory"} & found.keys()
    assert len(found) == 7


def test_a_shortfall_is_told():
    values = metrics()
    values["tokens"]["shortfall"] = "10 fewer: nothing was left to merge"
    assert ("", "10 fewer: nothing was left to merge") in list(figures(values))


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        ((1.5, 2.0, 1.6), "+6.67% against the base (80.0% of the gap closed)"),
        ((1.5, 2.0, 1.5), "+0.00% against the base (all of the gap closed)"),
        ((1.5, 2.0, 1.2), "-20.00% against the base (all of the gap closed)"),
        ((1.5, 2.0, 2.25), "+50.00% against the base (-50.0% of the gap closed)"),
        ((1.5, 1.5, 1.4), "-6.67% against the base (initialised: +0.00%)"),
        ((1.5, 1.2, 1.1), "-26.67% against the base (initialised: -20.00%)"),
        ((1.5, 1.2, 1.6), "+6.67% against the base (initialised: -20.00%)"),
    ],
)
def test_the_gap(bits, words):
    assert dict(figures(metrics(*bits)))["domain bits per byte"] == words


@pytest.mark.parametrize("broken", ["old_rows_identical", "old_logits_identical"])
def test_what_changed_is_said_aloud(broken):
    values = metrics()
    values["exactness"][broken] = False
    assert dict(figures(values))["old rows, old logits"].count("CHANGED") == 1


def test_models_and_places_are_printed(capsys):
    text = printed(metrics(), capsys)
    for word in ("a model: 30 new tokens", "base", "initialised", "distilled", "2.0000", "3.0300", "0.1250", "–"):
        assert word in text
    assert f"model  {Path('my-run') / 'model'}\n" in text
    assert f"page   {Path('my-run/report.html').resolve().as_uri()}\n" in text


def test_general_figures_that_are_missing_are_dashes(capsys):
    text = printed(metrics(general=False), capsys)
    rows = [line for line in text.splitlines() if "distilled" in line]
    assert rows
    assert "–" in rows[0]


@pytest.mark.parametrize("name", ["[draft] mine", "mine [/b]", "a [red]b[/red]", "[link=x]y"])
def test_square_brackets_are_no_markup(capsys, name):
    """Titles, shortfalls and folders are the user's words."""
    values = metrics(title=name)
    values["tokens"]["shortfall"] = name
    text = printed(values, capsys, Path(name.replace("/", "|")))
    assert text.rpartition("\nmodel  ")[0].count(name) == 2
    assert f"model  {Path(name.replace('/', '|')) / 'model'}\n" in text


def test_a_long_path_is_not_broken_into_lines(capsys):
    path = Path("/".join(["a-long-name-of-a-folder"] * 10))
    assert f"model  {path / 'model'}\n" in printed(metrics(), capsys, path)
