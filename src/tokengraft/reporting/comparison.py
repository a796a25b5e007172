"""The page of a comparison: what each run solves, what differs, and how sure that is. One file, like a run's page."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tokengraft import atomic
from tokengraft.evaluation.comparison import Comparison, RunFigures
from tokengraft.reporting import numbers, outcome_charts
from tokengraft.reporting.beside import Evidence, charts, gather
from tokengraft.reporting.comparison_words import counted, findings, p_phrase, p_text
from tokengraft.reporting.every_figure import figure_rows, task_rows
from tokengraft.reporting.outcome_charts import SURE
from tokengraft.reporting.text import inline, readable, visible


def render_comparison(comparison: Comparison, figures: Sequence[RunFigures] = ()) -> str:
    """The HTML page of a comparison; with the runs' figures also what stands behind these, from their folders.

    Raises:
        RunFolderError: a file in one of the folders is broken.
    """
    return _environment().get_template("comparison.html.jinja").render(_context(comparison, gather(figures)))


def write_comparison(comparison: Comparison, path: Path, figures: Sequence[RunFigures] = ()) -> Path:
    """Where the page was written; a failure leaves what was there as it was.

    Raises:
        RunFolderError: it cannot be written, or a file in one of the runs' folders is broken.
    """
    page = render_comparison(comparison, figures)
    atomic.write_text(path, page)
    return path


def _context(comparison: Comparison, evidence: Evidence) -> dict[str, Any]:
    style, script = _source("style.css"), _source("table.js")
    shown = bool(evidence.passages)  # the script serves the passages alone
    scripts = f" script-src '{_hash(script)}';" if shown else ""
    return {
        "comparison": comparison,
        "style": style,
        "script": script if shown else None,
        "policy": f"default-src 'none'; style-src '{_hash(style)}';{scripts} img-src data:; base-uri 'none'; "
        "form-action 'none'",
        "findings": findings(comparison, evidence.details),
        "forest": outcome_charts.pass_forest(comparison.tasks, "forest"),
        "rates": {task.task: outcome_charts.rates(task, place) for place, task in enumerate(comparison.tasks)},
        "text_forest": outcome_charts.text_forest(comparison.texts),
        "charts": charts(evidence),
        "measured": [card.run for card in evidence.cards],
        "figures": figure_rows(evidence.cards),
        "lm_eval": task_rows(evidence.cards),
        "questions": evidence.questions,
        "run": {"passages": evidence.passages},
        "new": {token.id: token for token in evidence.tokens},
        "sure": SURE,
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tokengraft.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=readable,  # names of runs and of problems are others' text
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=numbers.percent, decimal=numbers.decimal, count=numbers.count, signed=numbers.signed,
        points=numbers.points, p=p_text, p_phrase=p_phrase, counted=counted, inline=inline, visible=visible,
    )  # fmt: skip
    return environment


def _source(name: str) -> Markup:
    text = resources.files("tokengraft.reporting").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
