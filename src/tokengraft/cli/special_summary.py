"""What `tokengraft special` prints."""

import json
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from tokengraft.special.api import Added
    from tokengraft.special.command import Outcome
    from tokengraft.special.data_check import DataReport
    from tokengraft.special.rows import Silence
    from tokengraft.special.settling import Settled


def print_special(outcome: "Outcome", *, machine: bool) -> None:
    """Prints what was done; ends with 1 where only a training set was checked and something is wrong with it."""
    if machine:
        print(json.dumps(outcome.to_dict(), ensure_ascii=False, indent=1))
    else:
        console = Console()
        if outcome.removed:
            _print_removed(console, outcome.removed)
        if outcome.added:
            _print_added(console, outcome.added)
        if outcome.data:
            _print_data(console, outcome.data)
    if outcome.data and outcome.data.problems and not (outcome.added or outcome.removed):
        sys.exit(1)


def _print_added(console: Console, added: "Added") -> None:
    roles = {number: role for role, number in added.roles.items()}
    table = Table(title=f"{len(added.ids)} new token{'s' * (len(added.ids) != 1)}", title_justify="left")
    for name in ("token", "id", "role", "starts", "share of probability"):
        table.add_column(name, justify="right" if name in {"id", "share of probability"} else "left")
    for token, number in added.ids.items():
        role = roles.get(number, "word" if token in added.words else "part" if token in added.parts else "")
        table.add_row(escape(token), str(number), role, escape(added.starts[token]), f"{added.shares[token]:.1e}")
    console.print(table)
    for name, text in _facts(added):
        console.print(f"{name:<22}{text}", markup=False, highlight=False, soft_wrap=True)


def _facts(added: "Added") -> list[tuple[str, str]]:
    facts = [
        ("rows of the tables", f"{added.rows_before} → {added.rows_after}"),
        ("old rows, old logits", f"identical, {added.compared_logits} logits compared bit for bit"),
    ]
    facts += [("settled", _settled(added.settled))] if added.settled else []
    facts += [("pad is predicted", _silence(added.pad))] if added.pad else []
    facts += [("rows of no token", _silence(added.phantoms))] if added.phantoms else []
    facts += [("never generated", _ids(added.suppressed))] if added.suppressed else []
    facts += [("note", note) for note in added.notes]
    return [*facts, ("model", str(added.out))]


def _settled(settled: "Settled") -> str:
    whose = "of the model's own" if settled.own else "of those given"
    before, after = settled.before, settled.after
    between = (
        ""
        if before.turns is None or after.turns is None
        else f"two texts with one between them {100 * before.turns:+.2f} %, now {100 * after.turns:+.2f} %; "
    )
    return (
        f"a text costs {100 * before.total:+.2f} % with them in it, now {100 * after.total:+.2f} %: "
        f"{after.behind:.1f} nats right behind each, {100 * after.elsewhere:+.2f} % elsewhere; {between}"
        f"{settled.texts} texts {whose}, "
        f"{settled.length:.0f} tokens each, {settled.steps} steps, {settled.seconds:.0f} s"
    )


def _silence(silence: "Silence") -> str:
    return (
        f"with {silence.mean:.0e} in the mean, {silence.largest:.0e} at most, on text that the model writes; "
        f"{silence.largest_on_random_ids:.0e} at most on random ids"
    )


def _ids(ids: tuple[int, ...]) -> str:
    return f"id {ids[0]}" if len(ids) == 1 else f"{len(ids)} ids, {min(ids)} to {max(ids)}"


def _print_removed(console: Console, removed: dict) -> None:
    console.print(f"taken back  {', '.join(removed['ids'])}", markup=False, highlight=False, soft_wrap=True)
    changed = [name for name, same in removed["identical"].items() if not same]
    said = f"changed since, without the tokens now: {', '.join(changed)}" if changed else "byte for byte as before"
    console.print(f"files       {said}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"model       {removed['out']}", markup=False, highlight=False, soft_wrap=True)


def _print_data(console: Console, data: "DataReport") -> None:
    title = f"{data.documents} documents, {data.tokens} tokens; {data.ended} end with {data.eos or 'no end token'}"
    table = Table(title=escape(title), title_justify="left")
    for name in ("token", "id", "role", "times", "documents", "split", "misplaced", "verdict"):
        table.add_column(name, justify="left" if name in {"token", "role", "verdict"} else "right")
    for use in data.uses:
        figures = (use.count, use.documents, use.split, use.misplaced)
        role = "" if use.role == "additional" else use.role
        table.add_row(escape(use.token), str(use.id), role, *map(str, figures), use.verdict)
    console.print(table)
