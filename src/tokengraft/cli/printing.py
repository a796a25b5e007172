"""How single steps print what they did: a line for each fact, or JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokengraft import atomic

if TYPE_CHECKING:
    from tokengraft.study import Study

PLACES = ("first", "middle", "last", "random")

TERMINAL = ("domain", "general_change", "kl", "calibration", "doubles")
"""Columns of a study's table that fit a terminal."""


def print_facts(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints what a step did."""
    if as_json:
        print(json.dumps(facts))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        table.add_row(name, escape(_losses(value) if isinstance(value, Mapping) else str(value)))
    Console(soft_wrap=True).print(table)


def print_interpretation(found: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints what `interpret` found."""
    if as_json:
        print(json.dumps(found))
        return
    console = Console()
    console.print(_cosines(found))
    console.print(_geometry(found))
    if found["substitution"]:
        means = found["substitution"]["means"]
        console.print(
            f"in place of their pieces, {means['occurrences']} occurrences: KL {means['kl']:.4f} nats, "
            f"cosine of states {means['cosine']:.3f}, same next token {means['argmax']:.1%}"
        )
    table = Table(title="nearest old tokens (input rows)", title_justify="left")
    for column in ("token", "pieces", "nearest"):
        table.add_column(column)
    for entry in found["tokens"][:20]:
        near = "  ".join(f"{near['text']!r} {near['cosine']:.2f}" for near in entry["inputs"])
        table.add_row(escape(repr(entry["text"])), escape(" ".join(map(repr, entry["pieces"]))), escape(near))
    console.print(table)
    for layer in found["lens"]:
        said = "  ".join(f"{text!r} {share:.2f}" for text, share in layer["tokens"])
        console.print(f"layer {layer['layer']:>2}  {escape(said)}")


def print_study(study: "Study", *, as_json: bool, columns: Sequence[str] = TERMINAL, page: Path | None = None) -> None:
    """Prints the table of a study, for `tokengraft compare CONFIG`; all columns are in its `study.md`.

    Its page is `study.html` in its folder; `page` is another place for a copy.
    """
    if page is not None:
        atomic.write_text(page, (study.path / "study.html").read_text(encoding="utf-8"))
    if as_json:
        print((study.path / "study.json").read_text(encoding="utf-8"), end="")
        return
    from tokengraft.study.table import COLUMNS, shown

    table = Table(title=f"{len(study.cells)} cells, means over seeds", title_justify="left")
    table.add_column("variant")
    for name in columns:
        table.add_column(COLUMNS[name][0], justify="right")
    table.add_column("steps to KL", justify="right")
    for row in study.rows:
        figures = [escape(shown(row.values[name], COLUMNS[name][2])) for name in columns]
        table.add_row(escape(row.name), *figures, "–" if row.steps_to_kl is None else f"{row.steps_to_kl:.0f}")
    console = Console()
    console.print(table)
    for what, place in {"all figures": study.path / "study.md", "page": page or study.path / "study.html"}.items():
        console.print(f"{what:<12} {place}", soft_wrap=True, highlight=False, markup=False)


def _cosines(found: Mapping[str, Any]) -> Table:
    table = Table(title="centred cosine of new rows to their pieces", title_justify="left")
    for column in ("rows", *PLACES):
        table.add_column(column, justify="left" if column == "rows" else "right")
    for name, means in found["cosines"].items():
        table.add_row(name, *("–" if means[place] is None else f"{means[place]:+.3f}" for place in PLACES))
    return table


def _geometry(found: Mapping[str, Any]) -> Table:
    table = Table(title="geometry", title_justify="left")
    for column in ("rows", "median norm", "old rows'", "effective rank", "old rows', as many"):
        table.add_column(column, justify="left" if column == "rows" else "right")
    for name, values in found["geometry"].items():
        numbers = (values["norm"], values["old_norm"], values["effective_rank"], values["old_effective_rank"])
        table.add_row(name, *(f"{number:.3f}" for number in numbers))
    return table


def _losses(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())
