"""All figures of several runs in one table: a row for each figure that any of them has, a column for each run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tokengraft.reporting.data import ModelScores
from tokengraft.reporting.evidence import TaskFigure
from tokengraft.reporting.numbers import count, decimal, percent

Form = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Card:
    """What was measured of one run."""

    run: str
    scores: ModelScores | None
    tasks: tuple[TaskFigure, ...] = ()
    """Of lm-eval."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: (value, interval or other small print) of each run."""

    label: str
    cells: tuple[tuple[str, str], ...]


PARTS: tuple[tuple[str, str, str, Form], ...] = (
    ("tokens a byte", "domain", "tokens_per_byte", decimal),
    ("KL to base, domain", "domain", "kl_to_base", partial(decimal, digits=4)),
    ("KL to base, general", "general", "kl_to_base", partial(decimal, digits=4)),
    ("new token is the first choice", "domain", "new_token_top1", percent),
    ("mean reciprocal rank of new tokens", "domain", "new_token_mrr", decimal),
    ("probability on new tokens", "domain", "mass_on_new", percent),
    ("new tokens in the text", "domain", "rate_of_new", percent),
    ("probability on new tokens, general", "general", "mass_on_new", percent),
    ("new tokens in general text", "general", "rate_of_new", percent),
    ("calibration error", "domain", "calibration_error", partial(decimal, digits=4)),
    ("double subwords, as predicted", "domain", "double_subword_rate", percent),
    ("double subwords in the text itself", "domain", "double_subword_rate_in_text", percent),
    ("written: new tokens used of those possible", "generation", "adopted", percent),
    ("written: as the tokenizer would", "generation", "canonical_ratio", percent),
    ("written: bytes a step", "generation", "bytes_per_step", partial(decimal, digits=2)),
    ("written: bytes a second", "generation", "bytes_per_second", count),
)


def figure_rows(cards: Sequence[Card]) -> list[Row]:
    """The figures that at least one run has, in the order in which they are read."""
    rows = []
    for label, part, name, form in PARTS:
        scores = [getattr(card.scores, part, None) for card in cards]
        if any(getattr(score, name, None) is not None for score in scores):
            rows.append(Row(label, tuple(_cell(score, name, form) for score in scores)))
    return rows


def task_rows(cards: Sequence[Card]) -> list[Row]:
    """Metrics of lm-eval's tasks, each with its standard error."""
    return [
        Row(f"{task}, {metric}", tuple(_task_cell(card, task, metric) for card in cards))
        for task, metric in _tasks(cards)
    ]


def _tasks(cards: Sequence[Card]) -> Iterator[tuple[str, str]]:
    yield from dict.fromkeys((figure.task, figure.metric) for card in cards for figure in card.tasks)


def _cell(score: Any, name: str, form: Form) -> tuple[str, str]:
    ends = getattr(score, "intervals", {}).get(name)
    return form(getattr(score, name, None)), f"{form(ends[0])} to {form(ends[1])}" if ends else ""


def _task_cell(card: Card, task: str, metric: str) -> tuple[str, str]:
    figure = next((each for each in card.tasks if (each.task, each.metric) == (task, metric)), None)
    if figure is None:
        return decimal(None), ""
    return decimal(figure.value), "" if figure.error is None else f"± {decimal(figure.error)}"
