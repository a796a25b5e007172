"""The page of a study: what each variant came to, how far it is from the reference, and how its KL fell."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tokengraft import atomic
from tokengraft.reporting import study_charts
from tokengraft.reporting.text import readable

LEAST = {"domain": "bits per byte of the domain", "kl": "KL to the base", "general_change": "bits of general text"}
"""Columns that a study is judged by; less is better in each."""

GROUPS = {
    "Text and base": ("domain", "domain_change", "general_change", "choice_change", "kl", "general_kl"),
    "The new tokens": (
        "top1", "mrr", "calibration", "general_calibration", "doubles", "second_piece", "true_next", "canonical",
    ),
    "Where the rows went": ("start_first", "start_last", "inputs_first", "inputs_last", "head_first", "head_last"),
}  # fmt: skip


def render_study(study: Mapping[str, Any]) -> str:
    """The HTML page of what `study.json` holds."""
    style = _style()
    digest = "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rows = study["rows"]
    return _environment().get_template("study.html.jinja").render(
        study=study,
        style=style,
        policy=f"default-src 'none'; style-src '{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        summary=summary(study),
        groups=_groups(study),
        differences=[study_charts.differences(rows, name, study) for name in LEAST if _has(rows, name, "difference")],
        curves=[chart for axis in ("step", "seconds") if (chart := study_charts.curves(study, axis)) is not None],
        cosines=[chart for table in ("inputs", "head") if (chart := study_charts.cosines(study, table)) is not None],
        cost=_cost(study),
    )  # fmt: skip


def write_study(study: Mapping[str, Any], path: Path) -> Path:
    """Where the page was written; a failure leaves what was there as it was.

    Raises:
        RunFolderError: it cannot be written.
    """
    page = render_study(study)
    atomic.write_text(path, page)
    return path


def summary(study: Mapping[str, Any]) -> list[str]:
    """For each column that a study is judged by: who is best, and where the reference stands, in words."""
    return [text for column in LEAST if (text := _judged(study, column))]


def _judged(study: Mapping[str, Any], column: str) -> str:
    trained = [row for row in study["rows"] if row["values"][column]["mean"] is not None]
    reference = next((row for row in trained if row["name"] == study["reference"]), None)
    if reference is None or len(trained) < 2:
        return ""
    best = min(trained, key=lambda row: row["values"][column]["mean"])
    what = LEAST[column]
    if best is reference:
        return f"{best['name']}, the reference, has the least {what} of {len(trained)} variants."
    value = best["values"][column]
    sure = value["high"] is not None and value["high"] < 0
    how = (
        "more than the seeds' noise" if sure else "within the seeds' noise" if value["high"] is not None else "one seed"
    )
    return f"{best['name']} has the least {what}, {-value['difference']:.4g} below {reference['name']}: {how}."


def _groups(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables of the page: those columns of each group that anything was measured for."""
    rows = study["rows"]
    return [
        {"title": title, "columns": columns}
        for title, names in GROUPS.items()
        if (columns := [{"name": name, **study["columns"][name]} for name in names if _has(rows, name)])
    ]


def _cost(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in study["rows"] if row["values"]["steps"]["mean"]]


def _has(rows: Sequence[Mapping[str, Any]], column: str, what: str = "mean") -> bool:
    return any(row["values"][column][what] is not None for row in rows)


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _change(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:+.{digits}f}".replace("-", "−")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tokengraft.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=readable,  # names of variants are others' text
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=_figure, change=_change)
    return environment


def _style() -> Markup:
    text = resources.files("tokengraft.reporting").joinpath("templates", "style.css").read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of this package)
