"""How the doctor's findings are printed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

if TYPE_CHECKING:
    from tokengraft.diagnosis import Examination, Finding

COLOURS = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def print_examination(result: "Examination", done: list[str], *, as_json: bool, out: Path | None) -> None:
    """Prints what was found, what was repaired, and how much was looked at."""
    if as_json:
        print(json.dumps({**result.to_dict(), "fixed": done, "out": str(out) if out else None}, ensure_ascii=False))
        return
    console = Console(soft_wrap=False, highlight=False)
    for finding in result.findings:
        _print_finding(console, finding)
    for line in done:
        console.print(f"[green]fixed[/] {escape(line)}")
    if out:
        if not done:
            console.print("fixed nothing: no finding has a safe repair")
        console.print(f"copy   {out}", markup=False, soft_wrap=True)
    counts = {name: sum(finding.severity == name for finding in result.findings) for name in COLOURS}
    console.print(
        f"{len(result.checked)} checks ran, {len(result.skipped)} skipped; "
        + ", ".join(f"{number} {name}{'s' * (number != 1 and name != 'info')}" for name, number in counts.items())
    )
    for reason, codes in _by_reason(result.skipped).items():
        console.print(Padding(f"[dim]skipped, {escape(reason)}: {', '.join(codes)}[/]", (0, 0, 0, 2)))


def _print_finding(console: Console, finding: "Finding") -> None:
    colour = COLOURS[finding.severity]
    console.print(f"[{colour}]{finding.severity.value}[/] [bold]{finding.code}[/]")
    lines = Table.grid(padding=(0, 1), pad_edge=False)
    for label, text in (("found", finding.found), ("why", finding.explanation), ("fix", finding.fix)):
        lines.add_row(f"  [dim]{label}[/]", escape(text))
    console.print(lines)
    console.print()


def _by_reason(skipped: dict[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for code, reason in skipped.items():
        reasons.setdefault(reason, []).append(code)
    return reasons
