"""How single steps print what they did: a line for each fact, or JSON."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLACES = ("first", "middle", "last", "random")


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
