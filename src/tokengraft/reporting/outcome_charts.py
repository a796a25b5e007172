"""Charts of paired comparisons: who solves more, who needs fewer bits, and how sure that is."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup

from tokengraft.evaluation.comparison.outcomes import PairTest, TaskComparison
from tokengraft.evaluation.comparison.texts import TextComparison, TextPair
from tokengraft.reporting.charts import canvas
from tokengraft.reporting.svg import ACCENT, GREY, INK, MUTED, RULE, SETTINGS, inline_svg
from tokengraft.reporting.text import readable

ROW, LONGEST = 34, 28
SURE = 0.05


def pass_forest(tasks: Sequence[TaskComparison], name: str = "pass-forest") -> Markup | None:
    """Differences in pass@1 with their intervals and the discordant counts, one line for each pair."""
    rows = [(task.task, pair) for task in tasks for pair in task.pairs]
    if not rows:
        return None
    return _forest(
        name,
        "pass@1: difference with interval; problems gained / lost",
        [_pair_label(task, pair, tasks[0].rates[0].run) for task, pair in rows],
        [(100 * pair.difference.low, 100 * pair.difference.value, 100 * pair.difference.high) for _, pair in rows],
        [_counts(pair) for _, pair in rows],
        [pair.p_holm < SURE for _, pair in rows],
        ("points of pass@1 (right: solves more)", "points", 1),
    )


def text_forest(texts: Sequence[TextComparison]) -> Markup | None:
    """Differences in bits per byte with their intervals, and in how many documents it is fewer."""
    rows = [(text, pair) for text in texts for pair in text.pairs]
    if not rows:
        return None
    return _forest(
        "text-forest",
        "Bits per byte: difference with interval; documents with fewer",
        [_pair_label(text.part, pair, texts[0].costs[0].run) for text, pair in rows],
        [(pair.difference.low, pair.difference.value, pair.difference.high) for _, pair in rows],
        [f"{pair.better} of {text.documents}" for text, pair in rows],
        [pair.p_holm < SURE for _, pair in rows],
        ("bits a byte (left: needs fewer)", "bits a byte", 3),
    )


def rates(task: TaskComparison, place: int) -> Markup:
    """pass@1 of each run with its interval."""
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(60 + ROW * len(task.rates))
        for row, rate in enumerate(task.rates):
            known = rate.estimate
            axes.plot([known.low, known.high], [row, row], color=ACCENT if row else GREY, linewidth=2)
            axes.plot([known.value], [row], marker="o", markersize=7, color=ACCENT if row else GREY, clip_on=False)
        _label_rows(axes, [(rate.run,) for rate in task.rates])
        top = max(rate.estimate.high for rate in task.rates)
        right = min(1.0, 1.1 * top) if math.isfinite(top) and top > 0 else 1.0
        axes.set_xlim(-0.04 * right, right)  # room for a point at 0
        axes.locator_params(axis="x", nbins=6)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
        axes.grid(axis="x", color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_title(_short(f"pass@1, {task.task}"))
    spoken = "; ".join(f"{rate.run} {rate.estimate.value:.1%}" for rate in task.rates)
    return inline_svg(figure, f"rates-{place}", readable(f"pass@1 of each run on {task.task}: {spoken}"))


def _forest(
    name: str,
    title: str,
    labels: Sequence[Sequence[str]],
    changes: Sequence[tuple[float, float, float]],
    notes: Sequence[str],
    sure: Sequence[bool],
    axis: tuple[str, str, int],
) -> Markup:
    """One line a comparison: (low, value, high), a note behind it; what is more than chance stands out."""
    label, unit, digits = axis
    low, high = min(0.0, *(change[0] for change in changes)), max(0.0, *(change[2] for change in changes))
    room = 0.08 * (high - low) or 1.0
    with mpl.rc_context(SETTINGS):
        figure, axes = canvas(76 + ROW * len(labels))
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, ((start, value, end), note, certain) in enumerate(zip(changes, notes, sure, strict=True)):
            colour = ACCENT if certain else GREY
            axes.plot([start, end], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([value], [place], marker="s", markersize=7, color=colour)
            axes.annotate(note, (1.0, place), (8, 0), xycoords=("axes fraction", "data"),
                          textcoords="offset points", va="center", color=INK)  # fmt: skip
        _label_rows(axes, labels)
        axes.set_xlim(low - room, high + room)
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.3g}".replace("-", "−") if value else "0")
        axes.set_xlabel(label, loc="left")
        figure.suptitle(title, x=0.02, ha="left", fontsize=12)
    spoken = "; ".join(
        f"{' '.join(lines)}: {change[1]:+.{digits}f} {unit}" for lines, change in zip(labels, changes, strict=True)
    )
    return inline_svg(figure, name, readable(f"Forest plot of differences. {spoken}"))


def _pair_label(what: str, pair: PairTest | TextPair, first: str) -> tuple[str, ...]:
    """The later run, and on a second line what it is held against where that is not the first of all."""
    return (f"{what}: {pair.second}", *([f"against {pair.first}"] if pair.first != first else []))


def _label_rows(axes: Any, labels: Sequence[Sequence[str]]) -> None:
    axes.set_yticks(range(len(labels)), ["\n".join(map(_short, lines)) for lines in labels])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.spines[["left"]].set_visible(False)


def _counts(pair: PairTest) -> str:
    return "" if pair.mcnemar is None else f"+{pair.mcnemar.only_second} / −{pair.mcnemar.only_first}"


def _short(label: str) -> str:
    text = readable(label)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
