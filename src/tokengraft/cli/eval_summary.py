"""What `tokengraft eval` prints: the figures of each model with their intervals, and what they differ by."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokengraft.cli.code_tasks_summary import remarks

if TYPE_CHECKING:
    from tokengraft.stages.evaluate import Evaluated

ROWS = {
    "bits_per_byte": ("bits per byte", "{:.4f}"),
    "tokens_per_byte": ("tokens per byte", "{:.4f}"),
    "kl_to_base": ("KL to base, nats", "{:.4f}"),
    "new_token_top1": ("new token, top-1", "{:.1%}"),
    "new_token_mrr": ("new token, MRR", "{:.3f}"),
    "mass_on_new": ("mass on new tokens", "{:.2%}"),
    "rate_of_new": ("rate of new tokens", "{:.2%}"),
    "calibration_error": ("calibration error", "{:.4f}"),
    "double_subword_rate": ("double subwords", "{:.2%}"),
}
GENERATED = {
    "adopted": ("adopted", "{:.1%}"),
    "canonical_ratio": ("canonical", "{:.1%}"),
    "bytes_per_step": ("bytes per step", "{:.2f}"),
    "bytes_per_second": ("bytes per second", "{:.0f}"),
}
VERDICTS = ("learned", "written only", "read only", "not learned", "not seen")


def print_evaluation(done: "Evaluated", as_json: bool) -> None:
    """Prints an evaluation, as tables or as one JSON object."""
    if as_json:
        print(json.dumps(done.metrics, ensure_ascii=False, indent=1))
        return
    console = Console()
    for part in ("domain", "general"):
        if any(card[part] for card in done.metrics["models"]):
            console.print(_table(done.metrics["models"], part))
    if any(card.get("generation") for card in done.metrics["models"]):
        console.print(_generated(done.metrics["models"]))
    for line in [*_differences(done.metrics), *_tasks(done.metrics), *_tokens(done.metrics)]:
        console.print(escape(line), highlight=False)
    if done.path is not None:
        console.print(f"files  {done.path}", soft_wrap=True, highlight=False, markup=False)
    if done.report is not None:
        console.print(f"page   {done.report.resolve().as_uri()}", soft_wrap=True, highlight=False, markup=False)
    if done.comparison is not None:
        console.print(f"beside {done.comparison.resolve().as_uri()}", soft_wrap=True, highlight=False, markup=False)


def _table(cards: Sequence[Mapping[str, Any]], part: str) -> Table:
    sizes = next(card[part] for card in cards if card[part])
    table = Table(title=f"{part} text: {sizes['bytes']} bytes of {sizes['documents']} documents", title_justify="left")
    table.add_column("95 % intervals in brackets")
    for card in cards:
        table.add_column(escape(card["name"]), justify="right")
    for name, (label, form) in ROWS.items():
        cells = [_cell(card[part], name, form) for card in cards]
        if any(cells):
            table.add_row(label, *(escape(cell) or "–" for cell in cells))
    return table


def _cell(figures: Mapping[str, Any], name: str, form: str) -> str:
    value = figures.get(name)
    if value is None:
        return ""
    interval = figures["intervals"].get(name)
    return form.format(value) + (f" [{', '.join(form.format(end) for end in interval)}]" if interval else "")


def _generated(cards: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="greedy continuations", title_justify="left")
    table.add_column("")
    for card in cards:
        table.add_column(escape(card["name"]), justify="right")
    for name, (label, form) in GENERATED.items():
        values = [(card.get("generation") or {}).get(name) for card in cards]
        if any(value is not None for value in values):
            table.add_row(label, *("–" if value is None else form.format(value) for value in values))
    return table


def _differences(metrics: Mapping[str, Any]) -> Iterator[str]:
    for entry in metrics["differences"]:
        change = entry["change"]
        if change is not None and entry["metric"] == "bits_per_byte":
            yield (
                f"{entry['after']} − {entry['before']}, {entry['part']}: {change['value']:+.4f} bits per byte "
                f"[{change['low']:+.4f}, {change['high']:+.4f}], p {change['p_value']:.2g}, "
                f"{change['documents']} documents"
            )


def _tasks(metrics: Mapping[str, Any]) -> Iterator[str]:
    for name, tasks in (metrics["lm_eval"] or {}).items():
        for task, found in tasks.items():
            if "error" in found:
                yield f"{name}, {task}: {found['error']}"
            for metric, figure in found.get("metrics", {}).items():
                error = "" if figure["stderr"] is None else f" ± {figure['stderr']:.4f}"
                yield f"{name}, {task}, {metric}: {figure['value']:.4f}{error} ({found['documents']} documents)"
    for name, results in (metrics["code_tasks"] or {}).items():
        for found in results["tasks"]:
            passed = ", ".join(f"pass@{k} {value:.4f}" for k, value in found["pass_at"].items())
            counted = f"{found['scored']} of {found['problems']} problems"
            yield f"{name}, {found['task']}: {passed or 'nothing scored'} ({counted})"
            yield from (f"{name}, {found['task']}: {remark}" for remark in remarks(found))
    for test in [*metrics["lm_eval_differences"], *metrics["code_differences"]]:
        yield (
            f"{test['after']} against {test['before']}, {test['task']}: right only after {test['only_after']}, only "
            f"before {test['only_before']}, of {test['documents']}; McNemar p {test['p_value']:.2g}"
        )


def _tokens(metrics: Mapping[str, Any]) -> Iterator[str]:
    verdicts = metrics.get("verdicts") or {}
    if verdicts:
        yield "new tokens: " + ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS if verdicts.get(name))
