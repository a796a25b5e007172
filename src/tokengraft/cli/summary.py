"""What a finished run prints: its figures, those that were promised beside them, and where the page is."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from tokengraft.pipeline import Run

MIB = 2**20


def print_summary(run: "Run") -> None:
    """Prints the summary of a run."""
    console = Console()
    console.print(_models(run.metrics))
    console.print(_figures(run.metrics))
    console.print(f"model  {run.path / 'model'}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"page   {run.report.resolve().as_uri()}", soft_wrap=True, highlight=False, markup=False)


def print_training(trained: Any, *, as_json: bool = False) -> None:
    """Prints the figures of a training, or all of them as JSON."""
    if as_json:
        print(json.dumps(trained.metrics))
        return
    console = Console()
    console.print(_models(trained.metrics))
    for phase in trained.metrics["phases"]:
        console.print(f"{phase['name']}: {_learned(phase)}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"model  {trained.path / 'model'}", soft_wrap=True, highlight=False, markup=False)


def _learned(phase: Mapping[str, Any]) -> str:
    first, last = phase["first"].get("cross_entropy"), phase["last"].get("cross_entropy")
    fall = f"cross-entropy {first:.3f} to {last:.3f}, " if first is not None else ""
    merged = phase["merge_error"]
    folded = f", folded in with an error of {merged:.1e}" if merged is not None else ""
    return f"{phase['steps']} steps, {fall}{phase['seconds']:.0f} s{folded}"


def _models(metrics: Mapping[str, Any]) -> Table:
    table = Table(title=escape(metrics["title"]), title_justify="left")
    table.add_column("model")
    for name in ("domain\nbits per byte", "general\nbits per byte", "KL to base\ndomain", "double\nsubwords"):
        table.add_column(name, justify="right")
    for card in metrics["models"]:
        domain, general = card["domain"], card["general"] or {}
        row = (
            domain["bits_per_byte"],
            general.get("bits_per_byte"),
            domain["kl_to_base"],
            domain["double_subword_rate"],
        )
        table.add_row(card["name"], *(_number(value) for value in row))
    return table


def _figures(metrics: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in figures(metrics):
        table.add_row(name, escape(value))
    return table


def figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of each figure that the summary lists."""
    tokens, exact = metrics["tokens"], metrics["exactness"]
    domain, general = tokens["fertility"]["domain"], tokens["fertility"]["general"]
    yield "new tokens", f"{tokens['added']} of {tokens['asked']} asked for, on {tokens['base_size']} old ones"
    if tokens.get("shortfall"):
        yield "", tokens["shortfall"]
    yield "held-out domain text", _saving(domain)
    if general:
        yield "general text", _saving(general)
    yield "ceiling of the pattern", f"{tokens['ceiling']['domain']:.1%} fewer tokens at most"
    held = sum(check["passed"] or check.get("measured", False) for check in metrics["checks"])
    yield "promises checked", f"{held} of {len(metrics['checks'])} hold"
    yield "old rows, old logits", _identical(exact)
    yield "domain bits per byte", f"{_change(metrics, 'domain'):+.2%} against the base{_gap(metrics)}"
    if general:
        yield "general bits per byte", f"{_change(metrics, 'general'):+.2%} against the base"
    if metrics["memory"]:
        yield "peak memory", _memory(metrics["memory"])
        if "speed" in metrics["memory"]:
            yield "speed of a step", _speed(metrics["memory"]["speed"])
    yield "time", f"{metrics['timing']['total_seconds']:.0f} s on {metrics['hardware']['cpu']}"


def _saving(fertility: Mapping[str, Any]) -> str:
    before, after = fertility["tokens_base"], fertility["tokens_extended"]
    longer, documents = fertility["documents_longer"], fertility["documents"]
    return f"{1 - after / before:.1%} fewer tokens ({before} to {after}), {longer} of {documents} documents longer"


def _identical(exact: Mapping[str, Any]) -> str:
    rows = "identical" if exact["old_rows_identical"] else "CHANGED"
    logits = "identical" if exact["old_logits_identical"] else "CHANGED"
    return f"rows {rows}, {exact['compared_logits']} logits {logits} bit for bit"


def _change(metrics: Mapping[str, Any], part: str) -> float:
    first, last = metrics["models"][0][part], metrics["models"][-1][part]
    return last["bits_per_byte"] / first["bits_per_byte"] - 1


def _gap(metrics: Mapping[str, Any]) -> str:
    """Words for the share of the gap from initialised to base that was closed, where there is a gap left to close."""
    cards = {card["name"]: card["domain"]["bits_per_byte"] for card in metrics["models"]}
    base, initialised, last = cards["base"], cards["initialised"], list(cards.values())[-1]
    if initialised <= base:
        return f" (initialised: {initialised / base - 1:+.2%})"
    return f" ({metrics['gap_closed']:.1%} of the gap closed)" if last > base else " (all of the gap closed)"


def _memory(memory: Mapping[str, Any]) -> str:
    engine, plain, before = (memory[f"{name}_bytes"] / MIB for name in ("engine", "plain", "baseline"))
    return f"{engine:.0f} MiB (the plain way {plain:.0f}; before the first step {before:.0f})"


def _speed(speed: Mapping[str, Any]) -> str:
    engine, plain = (1000 * speed[f"{name}_seconds"] for name in ("engine", "plain"))
    return f"{speed['ratio']:.2f} times the plain way's ({engine:.0f} ms against {plain:.0f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
