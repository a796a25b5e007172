"""What `tokengraft inspect` prints: the beginner's questions first, then the figures."""

import json
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokengraft.tokenizer.inspection import Anatomy, Inspection, Usage

SPECIAL_SHOWN = 8


def as_json(found: Inspection) -> str:
    """Everything for machines."""
    return json.dumps(found.to_dict(), ensure_ascii=False, indent=2)


def print_inspection(found: Inspection) -> None:
    """The answers in plain words, then a table for each kind of figure."""
    console = Console()
    for title, lines in (("What it is", _answers(found.anatomy)), ("Room for new tokens", _room(found))):
        console.print(f"[bold]{title}[/bold]")
        for name, line in lines:
            console.print(f"  {name:<22}{line}", soft_wrap=True, highlight=False, markup=False)
        console.print()
    if found.sample:
        console.print(_side_by_side(found))
    if found.usages:
        console.print(_corpora(found))
        for entry in found.usages:
            for line in _floor(entry):
                console.print(line, soft_wrap=True, highlight=False, markup=False)
    if found.words:
        console.print(_words(found))


def _answers(anatomy: Anatomy) -> Iterator[tuple[str, str]]:
    yield "tokenizer", f"{anatomy.name}: {anatomy.family}, {anatomy.size} ids"
    yield "algorithm", anatomy.algorithm
    yield "vocabulary", anatomy.origin
    yield "unknown words?", anatomy.unknown
    yield "can be extended?", anatomy.extendable
    for name, steps in (
        ("before: normalised by", anatomy.normalizer), ("then split by", anatomy.pre_tokenizer),
        ("decoded by", anatomy.decoder), ("put around a text", anatomy.around),
    ):  # fmt: skip
        yield name, " → ".join(steps) or "nothing"
    special = ", ".join(anatomy.special[:SPECIAL_SHOWN])
    more = len(anatomy.special) - SPECIAL_SHOWN
    yield "special tokens", f"{special or 'none'}{f' and {more} more' if more > 0 else ''}"


def _room(found: Inspection) -> Iterator[tuple[str, str]]:
    free, model = found.free, found.model
    yield "reserved tokens", f"{len(free.reserved)} that the makers kept for later"
    yield "unused ids", f"{len(free.gaps)}"
    if model is None or free.padded is None:
        yield "padded rows", "not known: no model's config.json stands beside the tokenizer"
    else:
        yield (
            "padded rows",
            f"{free.padded} of the model's {model.rows}; so many new tokens need no larger table",
        )
        cost = model.bytes_per_token
        tables = "one row, in the table that the head shares" if model.tied else "one row in each of two tables"
        size = f" ({cost} bytes)" if cost else ""
        yield "a new token costs", f"{tables}{size}, and the steps that teach it"
    if free.dead is not None:
        share = free.dead / free.examined if free.examined else 0
        yield "dead tokens", f"{free.dead} of {free.examined} entries ({share:.0%}) never occur in this text"
    if free.prunable is not None:
        yield "could be pruned", f"{free.prunable} of them, by `tokengraft prune`, which uses their ids again"


def _side_by_side(found: Inspection) -> Table:
    table = Table(title="How text splits", title_justify="left", show_lines=False)
    table.add_column(f"{len(found.sample)} tokens", overflow="fold")
    row = [_bars(found.sample)]
    if found.sample_other is not None:
        table.add_column(f"{len(found.sample_other)} tokens, extended", overflow="fold")
        row.append(_bars(found.sample_other))
    table.add_row(*row)
    return table


def _bars(pieces: tuple[str, ...]) -> str:
    """Pieces with bars between them, line ends and tabs made visible; a line ends where the text's does."""
    shown = "│".join(pieces).replace("\r", "␍").replace("\t", "→")
    return escape(shown.replace("\n", "⏎\n"))


def _corpora(found: Inspection) -> Table:
    table = Table(title="By corpus", title_justify="left")
    table.add_column("corpus")
    names = ["documents", "tokens a word", "bytes a token", "words of one token"]
    if found.other is not None:
        names += ["extended: tokens a word", "bytes a token", "words of one token", "tokens saved", "documents longer"]
    for name in [*names, "ceiling"]:
        table.add_column(name, justify="right")
    for entry in found.usages:
        table.add_row(*map(escape, _cells(entry)))
    return table


def _cells(entry: Usage) -> list[str]:
    words = max(entry.words, 1)
    cells = [entry.corpus, str(entry.documents), f"{entry.fertility:.2f}", f"{entry.bytes_per_token:.2f}"]
    cells.append(f"{entry.whole_words / words:.1%}")
    if entry.tokens_other is not None and entry.whole_words_other is not None:
        cells += [f"{entry.tokens_other / words:.2f}", f"{entry.bytes / max(entry.tokens_other, 1):.2f}"]
        cells += [f"{entry.whole_words_other / words:.1%}", f"{entry.saved or 0:.1%}", str(entry.longer)]
    return [*cells, "–" if entry.ceiling is None else f"{entry.ceiling:.1%}"]


def _floor(entry: Usage) -> Iterator[str]:
    """What the split pattern allows at best, and how much of that floor is due to combining marks."""
    if entry.cuts is None:
        return
    line = f"{entry.corpus}: the pattern allows no fewer than {entry.cuts.floor:.2f} tokens a word"
    if entry.cuts.at_marks:
        line += (
            f"; {entry.cuts.share:.0%} of its cuts stand at combining marks inside words, without which it would be "
            f"{entry.cuts.floor_without:.2f}"
        )
    yield line


def _words(found: Inspection) -> Table:
    table = Table(title="Your words (behind a space)", title_justify="left")
    for name in ("word", "pieces", *(["extended"] if found.other is not None else [])):
        table.add_column(name)
    table.add_column("occurs", justify="right")
    table.add_column("worth a token?")
    for entry in found.words:
        row = [entry.word, "│".join(entry.pieces_spaced)]
        row += [] if entry.pieces_other is None else ["│".join(entry.pieces_other)]
        row += ["–" if entry.occurrences is None else str(entry.occurrences), entry.verdict]
        table.add_row(*map(escape, row))
    return table
