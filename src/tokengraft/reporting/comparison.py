"""The page of a comparison: what each run solves, what differs, and how sure that is. One file, like a run's page."""

import base64
import hashlib
import math
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from tokengraft import atomic
from tokengraft.evaluation.comparison import Comparison
from tokengraft.evaluation.comparison.outcomes import PairTest, TaskComparison
from tokengraft.evaluation.comparison.texts import TextComparison, TextPair
from tokengraft.reporting import numbers
from tokengraft.reporting.svg import ACCENT, GREY, INK, MUTED, RULE, SETTINGS, inline_svg
from tokengraft.reporting.text import readable

WIDTH, ROW, LONGEST = 440, 34, 28
SURE = 0.05


def render_comparison(comparison: Comparison) -> str:
    """The HTML page of a comparison."""
    return _environment().get_template("comparison.html.jinja").render(_context(comparison))


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Where the page was written; a failure leaves what was there as it was.

    Raises:
        RunFolderError: it cannot be written.
    """
    page = render_comparison(comparison)
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
    text = p_text(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _context(comparison: Comparison) -> dict[str, Any]:
    style = _source("style.css")
    return {
        "comparison": comparison,
        "style": style,
        "policy": f"default-src 'none'; style-src '{_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'",
        "summary": _summary(comparison),
        "forest": _forest(comparison),
        "rates": {task.task: _rates(task, place) for place, task in enumerate(comparison.tasks)},
        "sure": SURE,
    }


def _summary(comparison: Comparison) -> list[str]:
    """Sentences for every pair, those of the last run first: it is the one that the others led to."""
    said = [(pair, sentence(pair, task)) for task in comparison.tasks for pair in task.pairs]
    read = [(pair, text_sentence(pair, text)) for text in comparison.texts for pair in text.pairs]
    pairs = [*said, *read]
    last = comparison.runs[-1]
    return [text for _, text in sorted(pairs, key=lambda entry: entry[0].second != last)]


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
        percent=numbers.percent, decimal=numbers.decimal, count=numbers.count, p=p_text, p_phrase=_p
    )
    return environment


def _forest(comparison: Comparison) -> Markup | None:
    """Differences in pass@1 with their intervals and the discordant counts, one line for each pair."""
    rows = [(task.task, pair) for task in comparison.tasks for pair in task.pairs]
    if not rows:
        return None
    labels = [_short(f"{task}: {pair.second}") for task, pair in rows]
    changes = [pair.difference for _, pair in rows]
    edge = max(0.01, *(abs(end) for change in changes for end in (change.low, change.high)))
    with mpl.rc_context(SETTINGS):
        figure, axes = _canvas(70 + ROW * len(rows))
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, (change, (_, pair)) in enumerate(zip(changes, rows, strict=True)):
            colour = ACCENT if pair.p_holm < SURE else GREY
            axes.plot([change.low, change.high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([change.value], [place], marker="s", markersize=7, color=colour)
            axes.annotate(_counts(pair), (1.0, place), (8, 0), xycoords=("axes fraction", "data"),
                          textcoords="offset points", va="center", color=INK)  # fmt: skip
        axes.set_yticks(range(len(rows)), labels)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-1.1 * edge, 1.1 * edge)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+.1f}".replace("-", "−"))
        axes.set_xlabel("points of pass@1; right of 0 the later run solves more")
        axes.spines[["left"]].set_visible(False)
        axes.set_title("Difference with interval; problems gained / lost")
    spoken = "; ".join(
        f"{label}: {100 * change.value:+.1f} points" for label, change in zip(labels, changes, strict=True)
    )
    return inline_svg(figure, "forest", readable(f"Forest plot of differences. {spoken}"))


def _counts(pair: PairTest) -> str:
    return "" if pair.mcnemar is None else f"+{pair.mcnemar.only_second} / −{pair.mcnemar.only_first}"


def _rates(task: TaskComparison, place: int) -> Markup:
    """pass@1 of each run with its interval."""
    with mpl.rc_context(SETTINGS):
        figure, axes = _canvas(60 + ROW * len(task.rates))
        for row, rate in enumerate(task.rates):
            known = rate.estimate
            axes.plot([known.low, known.high], [row, row], color=ACCENT if row else GREY, linewidth=2)
            axes.plot([known.value], [row], marker="o", markersize=7, color=ACCENT if row else GREY)
        axes.set_yticks(range(len(task.rates)), [_short(rate.run) for rate in task.rates])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(task.rates) - 0.5, -0.5)
        top = max(rate.estimate.high for rate in task.rates)
        axes.set_xlim(0, min(1.0, 1.1 * top) if math.isfinite(top) and top > 0 else 1.0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.grid(axis="x", color=RULE, linewidth=0.7)
        axes.spines[["left"]].set_visible(False)
        axes.set_title(_short(f"pass@1, {task.task}"))
    spoken = "; ".join(f"{rate.run} {rate.estimate.value:.1%}" for rate in task.rates)
    return inline_svg(figure, f"rates-{place}", readable(f"pass@1 of each run on {task.task}: {spoken}"))


def _canvas(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
    return figure, figure.subplots()


def _short(label: str) -> str:
    text = readable(label)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _source(name: str) -> Markup:
    text = resources.files("tokengraft.reporting").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
