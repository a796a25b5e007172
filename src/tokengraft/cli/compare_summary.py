"""What `compare` prints."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from tokengraft.evaluation.comparison import Comparison
    from tokengraft.evaluation.comparison.outcomes import TaskComparison
    from tokengraft.evaluation.comparison.texts import TextComparison, TextPair
    from tokengraft.statistics import Difference, Estimate


LEAST = 110
"""Columns that the tables need at least: figures that are cut off would be worse than lines that wrap."""


def print_comparison(comparison: "Comparison", page: Path | None, *, as_json: bool) -> None:
    """Prints tables, remarks and where the page is."""
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=1))
        return
    console = Console()
    console.width = max(console.width, LEAST)
    for task in comparison.tasks:
        console.print(_rates(task))
        console.print(_tests(task))
        if task.cochran:
            known = task.cochran
            console.print(
                f"Cochran's Q = {known.q:.2f}, {known.degrees} degrees, p = {known.p_value:.4g}", highlight=False
            )
    for text in comparison.texts:
        console.print(_costs(text))
    for remark in comparison.remarks:
        console.print(escape(remark), highlight=False)
    if page is not None:
        console.print(f"page   {page.resolve().as_uri()}", soft_wrap=True, highlight=False, markup=False)


def _rates(task: "TaskComparison") -> Table:
    table = _table(f"{task.task}, {task.problems} problems", "run", "solved", "pass@1", "interval")
    for rate in task.rates:
        table.add_row(escape(rate.run), f"{rate.passed:g}", f"{rate.estimate.value:.1%}", _between(rate.estimate))
    return table


def _tests(task: "TaskComparison") -> Table:
    names = ("difference", "interval", "gained", "lost", "p", "p Holm", "p z-test", "detectable")
    table = _table("", "pair", *names)
    for pair in task.pairs:
        counts = (pair.mcnemar.only_second, pair.mcnemar.only_first) if pair.mcnemar else ("–", "–")
        z_test = f"{pair.z_test.p_value:.4g}" if pair.z_test else "–"
        least = f"{pair.detectable:.1%}" if pair.detectable else "–"
        table.add_row(
            escape(f"{pair.first} → {pair.second}"), f"{pair.difference.value:+.1%}", _between(pair.difference, "+"),
            *map(str, counts), f"{pair.p_value:.4g}", f"{pair.p_holm:.4g}", z_test, least,
        )  # fmt: skip
    return table


def _costs(text: "TextComparison") -> Table:
    table = _table(
        f"bits per byte, {text.part} text, {text.documents} documents",
        "run",
        "value",
        "difference",
        "interval",
        "p Holm",
    )
    for cost in text.costs:
        pair = next((pair for pair in text.pairs if pair.second == cost.run and pair.first == text.costs[0].run), None)
        table.add_row(escape(cost.run), f"{cost.estimate.value:.4f}", *(_change(pair) if pair else ("–", "–", "–")))
    for pair in text.pairs:
        if pair.first != text.costs[0].run:
            table.add_row(escape(f"{pair.first} → {pair.second}"), "–", *_change(pair))
    return table


def _change(pair: "TextPair") -> tuple[str, str, str]:
    change = pair.difference
    return f"{change.value:+.4f}", f"{change.low:+.4f} – {change.high:+.4f}", f"{pair.p_holm:.4g}"


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=escape(title) or None, title_justify="left")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _between(estimate: "Estimate | Difference", sign: str = "") -> str:
    return f"{estimate.low:{sign}.1%} – {estimate.high:{sign}.1%}"
