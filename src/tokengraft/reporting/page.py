"""Draws the page: one HTML file that asks nothing of anybody, whatever text stands in it."""

import base64
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tokengraft import atomic
from tokengraft.evaluation.comparison import compare, read_figures
from tokengraft.evaluation.comparison.reading import CODE
from tokengraft.reporting import charts, measured, numbers, outcome_charts, verdicts, words
from tokengraft.reporting.data import Run
from tokengraft.reporting.folder import read_run
from tokengraft.reporting.text import inline, readable, short_path, visible, visible_bytes

FIRST_TOKENS = 50
MOST_REASONS = 8
MOST_TOKENS = 2_000
"""Rows of the tokens table. A row takes 270 bytes: 16 000 of them would make a page of 4 MB that is slow to open."""


def render(folder: Path) -> str:
    """The HTML page of a run.

    Raises:
        RunFolderError: the folder has no `metrics.json`, or holds a broken file.
        ConfigError: its `config.yaml` is not well formed.
    """
    run = read_run(Path(folder))
    return _environment().get_template("page.html.jinja").render(_context(run, _pass_forest(Path(folder))))


def write_report(folder: Path) -> Path:
    """Where the page of a run was written: `report.html` in its folder, which a failure leaves as it was.

    Raises:
        RunFolderError: as `render`, and where the page cannot be written.
    """
    page = render(folder)
    target = Path(folder) / "report.html"
    atomic.write_text(target, page)
    return target


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tokengraft.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=readable,  # no control or direction character of a corpus reaches the page, wherever it is put
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=numbers.count,
        percent=numbers.percent,
        decimal=numbers.decimal,
        size=numbers.size,
        duration=numbers.duration,
        inline=inline,
        short_path=short_path,
        visible=visible,
        visible_bytes=visible_bytes,
    )
    return environment


def _pass_forest(folder: Path) -> Markup | None:
    """Differences in pass@1 of the models of an evaluation; None where no two of them solved the same problems."""
    figures = [figure for figure in read_figures([str(folder)]) if figure.tasks] if (folder / CODE).is_dir() else []
    if len(figures) < 2:
        return None
    return outcome_charts.pass_forest(compare(figures).tasks)


def _context(run: Run, pass_forest: Markup | None) -> dict[str, Any]:
    style, script = _source("style.css"), _source("table.js")
    shown = run.tokens[:MOST_TOKENS]
    return {
        "run": run,
        "metrics": run.metrics,
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "headline": verdicts.headline(run.metrics),
        "failed": verdicts.failed_checks(run.metrics),
        "tiles": verdicts.tiles(run.metrics),
        "new": {token.id: token for token in run.tokens},
        "rejected": list(run.rejected.items())[:MOST_REASONS],
        "first_tokens": shown[:FIRST_TOKENS],
        "other_tokens": shown[FIRST_TOKENS:],
        "left_out": len(run.tokens) - len(shown),
        "findings": words.findings(run.metrics),
        "learned": any(token.learned for token in run.tokens),
        "charts": {**_charts(run), **_measured(run), "pass_forest": pass_forest},
    }


def _measured(run: Run) -> dict[str, Any]:
    named = {detail.name: detail for detail in run.details}
    base, final = (named.get(model.name) for model in (run.metrics.base, run.metrics.final))
    tables = {
        name: [(detail.name, detail.tables[name]) for detail in run.details if name in detail.tables]
        for name in ("inputs", "head")
    }
    geometry = [draw(name, each) for name, each in tables.items() for draw in (measured.cosines, measured.norms)]
    where = final.map if final else None
    return {
        "forest": measured.forest(run.metrics.differences, run.metrics.final.name),
        "documents": measured.documents(base, final) if base and final and base is not final else None,
        "frequency": measured.saved_by_frequency(run.tokens),
        "calibration": measured.calibration(run.details),
        "distance": measured.kl_by_distance(run.details),
        "phases": measured.phase_curves(run.curves),
        "geometry": [chart for chart in (*geometry, measured.row_map(where) if where else None) if chart],
    }


def _charts(run: Run) -> dict[str, Markup | None]:
    metrics, limit = run.metrics, run.metrics.tokens.ceiling
    return {
        "domain": charts.bits_per_byte(metrics, "domain"),
        "general": charts.bits_per_byte(metrics, "general"),
        "kl": charts.training_curve(run.steps, "kl", "KL to the base, nats a boundary"),
        "cross_entropy": charts.training_curve(run.steps, "cross_entropy", "Cross-entropy of the head, nats a token"),
        "ceiling": None if limit is None else charts.ceiling(metrics.tokens.domain.saved, limit),
        "memory": None if metrics.memory is None else charts.memory(metrics.memory),
        "speed": None if metrics.memory is None or not metrics.memory.speed else charts.speed(metrics.memory.speed),
        "stages": charts.stages(metrics.stages) if metrics.stages else None,
    }


def _source(name: str) -> Markup:
    text = resources.files("tokengraft.reporting").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
