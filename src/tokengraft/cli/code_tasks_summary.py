"""What `code-tasks` prints."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokengraft.errors import ConfigError

if TYPE_CHECKING:
    from tokengraft.evaluation.code_tasks import CodeTaskResults, CodeTasksConfig, TaskResult
    from tokengraft.evaluation.code_tasks.cleaning import Cleaning

SHOWN = 20
"""Problems that are named at most."""


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them.

    >>> numbers("1,10")
    (1, 10)

    Raises:
        ConfigError: something else.
    """
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise ConfigError(found=f"--k {text}", expected="numbers such as 1,10", do="change --k") from error


def refuse_no_model(model: str | None) -> str:
    """The model.

    Raises:
        ConfigError: none was named.
    """
    if model is None:
        raise ConfigError(
            found="no model", expected="its folder or hub id",
            do="name it first: tokengraft code-tasks MODEL --tasks ...; --references and --grade-only need none",
        )  # fmt: skip
    return model


def print_results(results: "CodeTaskResults", *, as_json: bool) -> None:
    """Prints the results of every task."""
    if as_json:
        print(json.dumps(results.to_dict(), indent=1))
        return
    console = Console()
    console.print(_results(results))
    for task in results.tasks:
        for line in remarks(task):
            console.print(escape(f"{task.task}: {line}"), highlight=False)
    console.print(escape(results.isolation), highlight=False)
    console.print(f"results  {results.folder / 'results.json'}", soft_wrap=True, highlight=False, markup=False)


def _results(results: "CodeTaskResults") -> Table:
    table = Table(title=escape(results.model), title_justify="left")
    table.add_column("task")
    ks = sorted({k for task in results.tasks for k in task.pass_at}, key=int)
    for name in (*(f"pass@{k}" for k in ks), "95 % interval", "scored", "dropped", "how programs ended"):
        table.add_column(name, justify="right" if name != "how programs ended" else "left")
    for task in results.tasks:
        between = f"{task.interval.low:.1%} – {task.interval.high:.1%}" if task.interval else "–"
        ended = ", ".join(f"{count} {status}" for status, count in task.statuses.items())
        rates = [f"{task.pass_at[k]:.1%}" if k in task.pass_at else "–" for k in ks]
        table.add_row(escape(task.task), *rates, between, str(task.scored), str(task.dropped), ended)
    return table


def remarks(task: "TaskResult") -> list[str]:
    """What a reader must know beside the figures."""
    found = [
        (task.too_long, "prompts longer than the model's context, counted as failed"),
        (task.empty, "empty answers"),
        (task.cut_off, "answers cut off at the greatest length"),
        (task.missing, "samples were never generated; their problems are not scored"),
    ]
    lines = [f"{count} {what}" for count, what in found if count]
    if task.references_passed is not None:
        lines.append(f"{task.references_passed:.1%} of the references that could be run pass; see dropped.json")
    return lines


def print_references(cleaned: Mapping[str, "Cleaning"], settings: "CodeTasksConfig", *, as_json: bool) -> None:
    """Prints how many references pass, and names those that do not."""
    if as_json:
        print(json.dumps({name: asdict(one) for name, one in cleaned.items()}, indent=1))
        return
    console = Console()
    for name, one in cleaned.items():
        lacking = sum(reason.startswith("no module") for reason in one.dropped.values())
        share = "" if one.share is None else f" ({one.share:.1%})"
        console.print(
            escape(f"{name}: {one.passed} of {one.ran} references pass{share}; {lacking} lack a library"),
            highlight=False,
        )
        failed = {task: reason for task, reason in one.dropped.items() if not reason.startswith("no module")}
        for task, reason in list(failed.items())[:SHOWN]:
            console.print(f"  {task}: {reason}", soft_wrap=True, highlight=False, markup=False)
        if len(failed) > SHOWN:
            console.print(f"  and {len(failed) - SHOWN} more", highlight=False)
    console.print(f"all  {settings.out}/TASK/dropped.json", soft_wrap=True, highlight=False, markup=False)
