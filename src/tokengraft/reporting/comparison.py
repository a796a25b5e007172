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
from tokengraft.evaluation.comparison.outcomes import PairTest, TaskComparison
from tokengraft.evaluation.comparison.texts import LEAST_DOCUMENTS, TextComparison, TextPair
from tokengraft.reporting import numbers, outcome_charts
from tokengraft.reporting.beside import Evidence, charts, gather
from tokengraft.reporting.outcome_charts import SURE
from tokengraft.reporting.text import inline, readable, visible

NO_BREAK = "\N{NO-BREAK SPACE}"


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


def sentence(pair: PairTest, task: TaskComparison) -> str:
    """What a comparison on a benchmark says, in words."""
    before, after = (next(rate for rate in task.rates if rate.run == name) for name in (pair.first, pair.second))
    change = 100 * pair.difference.value
    how = "as many" if change == 0 else f"{abs(change):.1f} points {'more' if change > 0 else 'fewer'}"
    text = f"{pair.second} solves {how} of {task.task} ({before.estimate.value:.1%} → {after.estimate.value:.1%})"
    if pair.p_holm < SURE:
        return f"{text}: more than chance, {_p(pair.p_holm)}."
    text += f": no more than chance would do, {_p(pair.p_holm)}"
    if pair.detectable is not None:
        return f"{text}; {task.problems} problems show differences from {100 * pair.detectable:.1f} points on."
    return f"{text}."


def text_sentence(pair: TextPair, text: TextComparison) -> str:
    """What a comparison on held-out text says, in words."""
    before = next(cost for cost in text.costs if cost.run == pair.first).estimate.value
    change = pair.difference.value / before if before else 0.0
    how = "as many bits" if change == 0 else f"{abs(change):.2%} {'fewer' if change < 0 else 'more'} bits"
    if text.documents < LEAST_DOCUMENTS:
        return f"{pair.second} needs {how} for {text.part} text, of {text.documents} documents: too few to say more."
    sure = "more than chance" if pair.p_holm < SURE else "no more than chance would do"
    return (
        f"{pair.second} needs {how} for {text.part} text, {pair.better} of {text.documents} documents "
        f"in fewer: {sure}, {_p(pair.p_holm)}."
    )


def p_text(value: float) -> str:
    """A p-value with the digits that matter.

    >>> [p_text(value) for value in (0.5, 0.0123, 0.00021, 1e-9)]
    ['0.50', '0.012', '0.0002', '< 0.0001']
    """
    if value < 0.0001:
        return "< 0.0001"
    return f"{value:.4f}" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _p(value: float) -> str:
    text = p_text(value).replace(" ", NO_BREAK)
    return f"p{NO_BREAK}{text}" if text.startswith("<") else f"p{NO_BREAK}={NO_BREAK}{text}"


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
        "summary": _summary(comparison),
        "forest": outcome_charts.pass_forest(comparison.tasks, "forest"),
        "rates": {task.task: outcome_charts.rates(task, place) for place, task in enumerate(comparison.tasks)},
        "text_forest": outcome_charts.text_forest(comparison.texts),
        "charts": charts(evidence),
        "run": {"passages": evidence.passages},
        "new": {token.id: token for token in evidence.tokens},
        "sure": SURE,
    }


def _summary(comparison: Comparison) -> list[str]:
    """Sentences for every pair: those of the last run first, which the others led to, and of these what is certain."""
    said = [(pair, sentence(pair, task)) for task in comparison.tasks for pair in task.pairs]
    read = [(pair, text_sentence(pair, text)) for text in comparison.texts for pair in text.pairs]
    pairs = [*said, *read]
    last = comparison.runs[-1]
    return [text for _, text in sorted(pairs, key=lambda entry: (entry[0].second != last, entry[0].p_holm >= SURE))]


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
        percent=numbers.percent, decimal=numbers.decimal, count=numbers.count, p=p_text, p_phrase=_p, inline=inline,
        visible=visible,
    )  # fmt: skip
    return environment


def _source(name: str) -> Markup:
    text = resources.files("tokengraft.reporting").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
