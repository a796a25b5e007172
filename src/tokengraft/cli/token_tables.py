"""Tables of proposed tokens, rejects and promises, and the same as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokengraft.tokenizer import ExtendedTokenizer
from tokengraft.tokenizer.material import Gain, Material

OUTCOMES = {"passed": "green", "measured": "yellow", "failed": "red"}


def print_ceiling(material: Material) -> None:
    """Prints what the split pattern lets any extension save, before anything is chosen."""
    ceiling = material.ceiling
    _print(
        f"ceiling  {ceiling.share:.1%} fewer tokens at most: {ceiling.tokens} tokens in the text to choose "
        f"from, {ceiling.least} at least (a {material.family.name} tokenizer, {material.family.file.size} ids)"
    )


def print_proposal(extension: ExtendedTokenizer, measured: Mapping[str, Gain], rows: int) -> None:
    """Prints the tokens that save most, the rejects with their reasons, and what is saved."""
    ranked = sorted(extension.new_tokens, key=lambda token: -token.saved)
    Console().print(_tokens(extension, ranked[: rows or None]))
    if extension.rejects:
        Console().print(_rejects(extension, rows))
    _print_gains(extension, measured)


def print_extension(extension: ExtendedTokenizer, measured: Mapping[str, Gain], out: Path) -> None:
    """Prints each promise with its outcome, what is saved, and where the tokenizer is."""
    table = Table("promise", "outcome", "tried")
    for check in extension.checks:
        table.add_row(check.name, f"[{OUTCOMES[check.outcome]}]{check.outcome}[/]", escape(check.detail))
    Console().print(table)
    _print_gains(extension, measured)
    _print(f"written  {out}")


def as_json(extension: ExtendedTokenizer, measured: Mapping[str, Gain]) -> str:
    """Everything that the tables show, as one JSON object."""
    return json.dumps(
        {
            "base": extension.base.name,
            "family": extension.family,
            "method": extension.method,
            "asked": extension.asked,
            "added": len(extension.new_tokens),
            "shortfall": extension.shortfall,
            "ceiling": {
                "tokens": extension.ceiling.tokens, "least": extension.ceiling.least, "share": extension.ceiling.share,
            },
            "saved": _saved(extension),
            "measured": {name: gain.to_dict() for name, gain in measured.items()},
            "checks": [check.to_dict() for check in extension.checks],
            "tokens": list(extension.described()),
            "rejects": [reject.to_dict() for reject in extension.rejects],
        },
        ensure_ascii=False,
        indent=1,
    )  # fmt: skip


def candidates(extension: ExtendedTokenizer) -> Iterator[dict[str, Any]]:
    """New tokens and rejects, one value each."""
    yield from extension.described()
    yield from (reject.to_dict() for reject in extension.rejects)


def _saved(extension: ExtendedTokenizer) -> float:
    tokens = extension.ceiling.tokens
    return sum(token.saved for token in extension.new_tokens) / tokens if tokens else 0.0


def _tokens(extension: ExtendedTokenizer, shown: Sequence[Any]) -> Table:
    title = f"{len(shown)} of {len(extension.new_tokens)} new tokens, those that save most ({extension.method})"
    table = Table(title=title, title_justify="left")
    for name in ("id", "token", "pieces", "count", "uses", "saved", "notes"):
        table.add_column(name, justify="right" if name in {"id", "count", "uses", "saved"} else "left")
    texts = {token.id: token.text for token in extension.new_tokens}
    for token in shown:
        pieces = "|".join(map(_visible, token.piece_texts))
        numbers = (str(number) for number in (token.count, token.uses, token.saved))
        end = extension.steps.get(token.id)
        step = "" if end is None else f" (to {_visible(texts[end])})"
        table.add_row(str(token.id), _visible(token.text), pieces, *numbers, f"{', '.join(token.notes)}{step}")
    return table


def _rejects(extension: ExtendedTokenizer, rows: int) -> Table:
    shown = extension.rejects[: rows or None]
    table = Table(title=f"{len(shown)} of {len(extension.rejects)} rejects", title_justify="left")
    for name in ("candidate", "count", "reason"):
        table.add_column(name, justify="right" if name == "count" else "left")
    for reject in shown:
        table.add_row(_visible(reject.text), str(reject.count), escape(reject.reason))
    return table


def _print_gains(extension: ExtendedTokenizer, measured: Mapping[str, Gain]) -> None:
    intermediate = [token.uses for token in extension.new_tokens if token.intermediate]
    uses = sum(token.uses for token in extension.new_tokens)
    share = f": steps to longer ones, in {sum(intermediate) / max(uses, 1):.1%} of the uses of new tokens"
    steps_said = share if intermediate else ""
    _print(f"tokens   {len(extension.new_tokens)} new, {len(intermediate)} of them intermediate{steps_said}")
    if extension.shortfall:
        _print(f"         {extension.shortfall}")
    _print(f"chosen   {_saved(extension):.1%} fewer tokens of at most {extension.ceiling.share:.1%}, on what they were "
           "chosen from")  # fmt: skip
    for name, gain in measured.items():
        found = gain.fertility
        _print(
            f"{name:<8} {found.saved:.1%} fewer tokens of at most {gain.ceiling:.1%} ({found.tokens_base} to "
            f"{found.tokens_extended}), {found.documents_longer} of {found.documents} documents longer"
        )


def _visible(text: str) -> str:
    """The text with its spaces visible, and nothing that a terminal would obey."""
    spaces = text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")
    return escape("".join(letter if letter.isprintable() else f"\\x{ord(letter):x}" for letter in spaces))


def _print(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)
