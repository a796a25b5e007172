"""What `tokengraft prune` prints."""

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokengraft.tokenizer.prune import PRUNED, PrunedTokenizer
from tokengraft.tokenizer.tokens import shown

_OUTCOMES = {"passed": "holds", "failed": "FAILS", "measured": "measured"}

SHOWN = 20
"""Ids listed in the terminal; all of them are in the file."""


def as_json(pruned: PrunedTokenizer, out: Path | None) -> str:
    """Everything for machines."""
    replaced = [entry.to_dict() for entry in pruned.replaced]
    folder = None if out is None else str(out)
    return json.dumps({**pruned.to_dict(), "replaced": replaced, "out": folder}, ensure_ascii=False, indent=2)


def print_pruned(pruned: PrunedTokenizer, out: Path | None) -> None:
    """The first ids that changed hands, the figures, and the checks."""
    console = Console()
    table = Table(title=f"{len(pruned.replaced)} ids of {escape(pruned.base.name)} used again", title_justify="left")
    for name in ("id", "given up", "is now spelled", "used in general text", "stands there now"):
        table.add_column(name)
    for entry in pruned.replaced[:SHOWN]:
        spelled = " ".join(repr(shown(pruned.file.token_bytes(piece))) for piece in entry.gone_pieces)
        row = repr(shown(entry.gone_bytes)), spelled, str(entry.used), repr(shown(entry.bytes))
        table.add_row(str(entry.id), *map(escape, row))
    console.print(table)
    for line in _lines(pruned, out):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _lines(pruned: PrunedTokenizer, out: Path | None) -> list[str]:
    more = len(pruned.replaced) - SHOWN
    before, after = pruned.tokens_before, pruned.tokens_after
    where = "all of them with --json" if out is None else f"all of them in {out / PRUNED}"
    lines = [f"and {more} more; {where}"] * (more > 0)
    lines += [pruned.shortfall] if pruned.shortfall else []
    lines += [
        f"size           {pruned.file.size} ids, as before",
        f"domain         {1 - after / before:.1%} fewer tokens ({before} to {after}, counts capped per document); "
        f"{pruned.ceiling.share:.1%} at most",
        *(f"{_OUTCOMES[check.outcome]:<9} {check.name}: {check.detail}" for check in pruned.checks),
        "These ids had other meanings: a model must learn their rows anew before it reads text with this tokenizer.",
    ]
    return [*lines, f"written to     {out}"] if out else lines
