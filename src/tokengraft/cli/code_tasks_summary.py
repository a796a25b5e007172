"""What `code-tasks` prints."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokengraft.errors import ConfigError

if TYPE_CHECKING:
    from tokengraft.evaluation.code_tasks import CodeTaskResults, CodeTasksConfig
    from tokengraft.evaluation.code_tasks.cleaning import Cleaning

SHOWN, FEW = 20, 3
"""Problems, and records of a file, that are named at most."""


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
        for line in remarks(asdict(task)):
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


def remarks(task: Mapping[str, Any]) -> list[str]:
    """What a reader must know beside the figures of a task, given as in `results.json`."""
    found = [
        ("too_long", "prompt", "longer than the model's context, counted as failed"),
        ("empty", "answer", "without any text"),
        ("cut_off", "answer", "cut off at the greatest length"),
        ("missing", "sample", "never generated; problems without one are not scored"),
    ]
    lines = [f"{_many(task[name], what)} {fault}" for name, what, fault in found if task[name]]
    lines += [*left_out(task.get("unreadable") or {}), *lacking(task.get("missing_modules") or {})]
    if task["references_passed"] is not None:
        lines.append(f"{task['references_passed']:.1%} of the references that could be run pass; see dropped.json")
    return lines


def left_out(unreadable: Mapping[str, str]) -> list[str]:
    """A line about the records of a file that are no problem; none where there are none.

    >>> left_out({"line 2": "no field test", "line 5": "no JSON object but list"})
    ['2 records left out as no problem (line 2: no field test; line 5: no JSON object but list)']
    """
    if not unreadable:
        return []
    shown = [f"{line}: {why}" for line, why in list(unreadable.items())[:FEW]]
    more = f"; and {len(unreadable) - FEW} more, see dropped.json" if len(unreadable) > FEW else ""
    return [f"{_many(len(unreadable), 'record')} left out as no problem ({'; '.join(shown)}{more})"]


def lacking(modules: Mapping[str, int]) -> list[str]:
    """A line about the libraries that the interpreter lacks; none where it has all.

    >>> lacking({"torch": 68, "tensorflow": 45})
    ['the interpreter lacks torch (needed by 68 problems), tensorflow (45); problems that need them are dropped']
    """
    if not modules:
        return []
    (first, count), *others = modules.items()
    named = ", ".join(
        [f"{first} (needed by {_many(count, 'problem')})", *(f"{name} ({needs})" for name, needs in others)]
    )
    return [f"the interpreter lacks {named}; problems that need them are dropped"]


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def print_references(cleaned: Mapping[str, "Cleaning"], settings: "CodeTasksConfig", *, as_json: bool) -> None:
    """Prints how many references pass, and names those that do not."""
    if as_json:
        print(json.dumps({name: asdict(one) for name, one in cleaned.items()}, indent=1))
        return
    console = Console()
    for name, one in cleaned.items():
        without = sum(reason.startswith("no module") for reason in one.dropped.values())
        share = "" if one.share is None else f" ({one.share:.1%})"
        console.print(
            escape(f"{name}: {one.passed} of {one.ran} references pass{share}; {without} lack a library"),
            highlight=False,
        )
        for line in lacking(one.missing_modules):
            console.print(escape(f"{name}: {line}"), highlight=False)
        failed = {task: reason for task, reason in one.dropped.items() if not reason.startswith("no module")}
        for task, reason in list(failed.items())[:SHOWN]:
            console.print(f"  {task}: {reason}", soft_wrap=True, highlight=False, markup=False)
        if len(failed) > SHOWN:
            console.print(f"  and {len(failed) - SHOWN} more", highlight=False)
    console.print(f"all  {settings.out}/TASK/dropped.json", soft_wrap=True, highlight=False, markup=False)
