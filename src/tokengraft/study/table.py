"""The table of a study: means over seeds, their spread, and paired differences from the reference with intervals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student_t

from tokengraft.study.settings import StudyConfig, seeds_of

CONFIDENCE = 0.95

Cell = Mapping[str, Any]


def _member(*path: str) -> Callable[[Cell], float | None]:
    def read(cell: Cell) -> float | None:
        value: Any = cell
        for name in path:
            value = None if value is None else value.get(name)
        return value

    return read


def _change(part: str) -> Callable[[Cell, Cell], float | None]:
    def read(cell: Cell, base: Cell) -> float | None:
        now, before = (_member(part, "bits_per_byte")(each) for each in (cell, base))
        return None if now is None or before is None else 100 * (now / before - 1)

    return read


def _ratio(part: str) -> Callable[[Cell, Cell], float | None]:
    def read(cell: Cell, _: Cell) -> float | None:
        mass, rate = (_member(part, name)(cell) for name in ("mass_on_new", "rate_of_new"))
        return mass / rate if mass is not None and rate else None

    return read


def _own(*path: str) -> Callable[[Cell, Cell], float | None]:
    read = _member(*path)
    return lambda cell, _: read(cell)


COLUMNS: dict[str, tuple[str, Callable[[Cell, Cell], float | None], int]] = {
    "domain": ("domain bits/byte", _own("domain", "bits_per_byte"), 4),
    "domain_change": ("domain, % of base", _change("domain"), 2),
    "general_change": ("general, % of base", _change("general"), 2),
    "choice_change": ("general (other half), % of base", _change("choice"), 2),
    "kl": ("KL to base, domain", _own("domain", "kl_to_base"), 4),
    "general_kl": ("KL to base, general", _own("general", "kl_to_base"), 4),
    "top1": ("new token top-1", _own("domain", "new_token_top1"), 3),
    "mrr": ("MRR", _own("domain", "new_token_mrr"), 3),
    "calibration": ("mass/rate, domain", _ratio("domain"), 2),
    "general_calibration": ("mass/rate, general", _ratio("general"), 2),
    "doubles": ("double-subword rate", _own("domain", "double_subword_rate"), 3),
    "second_piece": ("argmax after new = its 2nd piece", _own("after_new", "second_piece"), 3),
    "true_next": ("P(true next) after new", _own("after_new", "true_next"), 3),
    "canonical": ("canonical ratio", _own("generation", "canonical_ratio"), 3),
    "start_first": ("cosine of input row to first piece, at the start", _own("start", "cosines", "inputs", "first"), 3),
    "start_last": ("… to last, at the start", _own("start", "cosines", "inputs", "last"), 3),
    "inputs_first": ("cosine of input row to first piece", _own("cosines", "inputs", "first"), 3),
    "inputs_last": ("… to last", _own("cosines", "inputs", "last"), 3),
    "head_first": ("cosine of head row to first piece", _own("cosines", "head", "first"), 3),
    "head_last": ("… to last", _own("cosines", "head", "last"), 3),
    "steps": ("steps", _own("steps"), 0),
    "seconds": ("CPU s", _own("seconds_to_train"), 1),
}
"""By name: heading, what it reads off (cell, base), decimals."""


@dataclass(frozen=True, slots=True)
class Value:
    """A figure over the seeds."""

    mean: float | None
    spread: float | None
    """Standard deviation over seeds; None for one seed."""
    difference: float | None = None
    """From the reference, seed by seed; None for the reference itself, and where there is none."""
    low: float | None = None
    """Ends of its interval; None for one seed."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A variant in the table."""

    name: str
    seeds: tuple[int, ...]
    values: Mapping[str, Value]
    steps_to_kl: float | None
    """Mean steps to the target KL; None: not reached by every seed, or not trained."""
    seconds_to_kl: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        values = {name: {key: getattr(value, key) for key in Value.__slots__} for name, value in self.values.items()}
        return {
            "name": self.name,
            "seeds": list(self.seeds),
            "steps_to_kl": self.steps_to_kl,
            "seconds_to_kl": self.seconds_to_kl,
            "values": values,
        }


def summarise(cells: Mapping[tuple[str, int], Cell], study: StudyConfig, base: Cell) -> list[Row]:
    """A row for every variant that has a cell, in the order of the settings."""
    reference = study.reference or next(iter(study.variants))
    target = kl_target(cells, study)
    rows = []
    for name in study.variants:
        seeds = tuple(seed for seed in seeds_of(study, name) if (name, seed) in cells)
        if not seeds:
            continue
        values = {}
        for column, (_, read, _) in COLUMNS.items():
            own = [read(cells[name, seed], base) for seed in seeds]
            pairs = [
                (read(cells[name, seed], base), read(cells[reference, seed], base))
                for seed in seeds if (reference, seed) in cells and name != reference
            ]  # fmt: skip
            values[column] = _value(own, pairs)
        reached = [_reached(cells[name, seed], target) for seed in seeds]
        rows.append(Row(name, seeds, values, *(_mean_reached(reached, place) for place in (0, 1))))
    return rows


def _value(own: Sequence[float | None], pairs: Sequence[tuple[float | None, float | None]]) -> Value:
    numbers = [value for value in own if value is not None]
    if not numbers:
        return Value(None, None)
    spread = stdev(numbers) if len(numbers) > 1 else None
    differences = [one - other for one, other in pairs if one is not None and other is not None]
    if not differences:
        return Value(fmean(numbers), spread)
    mean = fmean(differences)
    if len(differences) < 2:
        return Value(fmean(numbers), spread, mean)
    reach = float(student_t.ppf(0.5 + CONFIDENCE / 2, len(differences) - 1))
    half = reach * stdev(differences) / math.sqrt(len(differences))
    return Value(fmean(numbers), spread, mean, mean - half, mean + half)


def kl_target(cells: Mapping[tuple[str, int], Cell], study: StudyConfig) -> float | None:
    """The KL that steps and seconds are counted to; None where its variant is not trained."""
    if study.kl_target is not None:
        return study.kl_target
    wanted = study.target or study.reference or next(iter(study.variants))
    ends = [cell["curve"][-1]["kl"] for (name, _), cell in cells.items() if name == wanted and cell["curve"]]
    return fmean(ends) if ends else None


def _reached(cell: Cell, target: float | None) -> tuple[float, float] | None:
    """(steps, seconds) of the first look at which the KL was at the target or below."""
    if target is None:
        return None
    return next(((point["step"], point["seconds"]) for point in cell["curve"] if point["kl"] <= target), None)


def _mean_reached(reached: Sequence[tuple[float, float] | None], place: int) -> float | None:
    found = [each[place] for each in reached if each is not None]
    return fmean(found) if found and len(found) == len(reached) else None


def table_markdown(rows: Sequence[Row], base: Cell, columns: Sequence[str] = ()) -> str:
    """The table as Markdown: mean ± standard deviation, and under it the paired difference with its interval."""
    names = list(columns) or list(COLUMNS)
    lines = [
        f"Base: domain {base['domain']['bits_per_byte']:.4f} bits per byte"
        + (f", general {base['general']['bits_per_byte']:.4f}." if base.get("general") else "."),
        "",
        "| variant | " + " | ".join(COLUMNS[name][0] for name in names) + " | steps to KL | CPU s to KL |",
        "|---" * (len(names) + 3) + "|",
    ]
    for row in rows:
        entries = [shown(row.values[name], COLUMNS[name][2]) for name in names]
        reached = [_number(row.steps_to_kl, 0), _number(row.seconds_to_kl, 1)]
        lines.append(f"| {row.name} | " + " | ".join([*entries, *reached]) + " |")
    return "\n".join(lines) + "\n"


def shown(value: Value, decimals: int) -> str:
    """A figure as the table has it.

    >>> shown(Value(1.5, 0.1, -0.2, -0.3, -0.1), 1)
    '1.5 ± 0.1 (-0.2 [-0.3, -0.1])'
    """
    text = _number(value.mean, decimals)
    if value.spread is not None and decimals:
        text += f" ± {value.spread:.{decimals}f}"
    if value.difference is not None and decimals:
        ends = "" if value.low is None else f" [{value.low:+.{decimals}f}, {value.high:+.{decimals}f}]"
        text += f" ({value.difference:+.{decimals}f}{ends})"
    return text


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
