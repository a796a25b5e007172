"""The rows of `extensions.py` as Markdown: what holds, what each method saves, and the floor of each pattern."""

import datetime
from collections import defaultdict

from extensions_rows import DONOR, DONORS, TRAINER, TRIED, documents

from tokengraft.artifacts import hardware
from tokengraft.tokenizer import TokenizerFile, family_of
from tokengraft.tokenizer.inspection import mark_cuts

OWN = "continued-bpe"
OVER = "superwords"
"""The one method that merges across the pattern's cuts."""

BROKEN, OTHER_TEXT = "†", "‡"
"""Marks of cells whose method breaks a promise, and of those whose documents decode otherwise than with the base."""

COLUMNS = {
    "tokenizer": "tokenizer", "corpus": "corpus", "asked": "asked", "added": "added",
    "unreachable": "unreach-able", "moved": "ids moved", "longer": "longer", "differ": "round trip differs",
    "documents": "of documents", "saved": "tokens saved", "ceiling": "ceiling", "floor": "floor", "seconds": "s",
}  # fmt: skip


FAULTS = {
    "unreachable": "tokens unreachable", "moved": "ids moved", "longer": "documents longer",
    "differ": "round trips that differ from the base's",
}  # fmt: skip


def tables(rows, data):
    """Everything as Markdown."""
    machine = hardware()
    found = [row for row in rows if "refused" not in row]
    cuts = floors(found, data)
    lines = [
        "# Extensions of real tokenizers",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {datetime.date.today()}. Every fifth document is held out; all "
        "figures are of these, `python` being the standard library of the Python that ran this.",
        "",
        *at_a_glance(found, cuts),
        *what_holds(found, cuts),
        *side_by_side(found, {(row["tokenizer"], row["method"]) for row in rows if "refused" in row}),
        *by_method(found),
        *not_applicable(rows),
        *marks(cuts),
    ]
    return "\n".join(lines) + "\n"


def at_a_glance(rows, cuts):
    """What the default method saves, a line a tokenizer and corpus, beside the ceiling and the floor."""
    cells = defaultdict(dict)
    for row in rows:
        if row["method"] == OWN:
            cells[row["tokenizer"], row["corpus"]][row["asked"]] = row
    sizes = sorted({size for by_size in cells.values() for size in by_size})
    lines = [
        f"## `{OWN}` at a glance",
        "",
        "Tokens saved on held-out documents, in brackets the tokens added where the corpus gives fewer than asked; "
        "what the split pattern lets any extension save; the tokens a word that it allows at the least, and what share "
        "of those are cuts at combining marks inside words.",
        "",
        header(["tokenizer", "corpus", *(f"+{size}" for size in sizes), "ceiling", "floor", "at marks"]),
    ]
    for key, by_size in cells.items():
        saved = [share(by_size[size]) if size in by_size else "–" for size in sizes]
        ceiling = next(iter(by_size.values()))["ceiling"]
        lines.append(line([*key, *saved, f"{ceiling:.2%}", f"{cuts[key].floor:.2f}", f"{cuts[key].share:.0%}"]))
    faults = [f"{sum(row[what] for row in rows if row['method'] == OWN)} {said}" for what, said in FAULTS.items()]
    return [*lines, "", f"In all these cells: {', '.join(faults)}.", ""]


def what_holds(rows, cuts):
    own = [row for row in rows if row["method"] == OWN]
    lines = [
        f"## What holds for `{OWN}`",
        "",
        "`ceiling`: what the split pattern lets any extension save. `floor`: the tokens a word that it allows at the "
        "least. `s`: CPU seconds of one core for counting, choosing and building.",
        "",
        header(COLUMNS.values()),
    ]
    for row in own:
        floor = f"{cuts[row['tokenizer'], row['corpus']].floor:.2f}"
        lines.append(line(floor if name == "floor" else cell(row, name) for name in COLUMNS))
    return [*lines, ""]


def side_by_side(rows, refused):
    """Tokens saved by each method, and where continued-bpe is not ahead; `refused` are (tokenizer, method)."""
    names = list(dict.fromkeys(row["method"] for row in sorted(rows, key=lambda row: row["method"] != OWN)))
    cells = defaultdict(dict)
    for row in rows:
        cells[row["tokenizer"], row["corpus"], row["asked"]][row["method"]] = row
    others = ", ".join(f"{tokenizer}: {donor}" for tokenizer, donor in DONORS.items())
    lines = [
        "## Tokens saved, by method",
        "",
        "Held-out documents; in brackets the tokens added, where they are fewer than asked. "
        f"Donor: {DONOR} ({others}). "
        f"`words`: the most frequent words that are not one token. `{TRAINER}`: the first tokens of a BPE that the "
        "tokenizers library trains on the same documents, of the base's size, as added tokens. "
        f"`{OVER}` merge across the pattern's cuts; the others cannot pass the ceiling. `refused`: with the reason "
        f"below; –: not measured. {BROKEN} breaks a promise there, {OTHER_TEXT} gives other text back than the base "
        "does: part of what is saved is another encoding of the same text, or text, so these are no equals.",
        "",
        header(["tokenizer", "corpus", "asked", *names, "ceiling"]),
    ]
    for key, by_name in cells.items():
        if len(by_name) == 1:
            continue
        blank = {name: "refused" if (key[0], name) in refused else "–" for name in names}
        saved = [share(by_name[name]) + marked(by_name, name) if name in by_name else blank[name] for name in names]
        ceiling = next(iter(by_name.values()))["ceiling"]
        lines.append(line([*map(str, key), *saved, f"{ceiling:.2%}"]))
    return [*lines, "", *ahead(cells), ""]


def kind(row, own):
    """0 for a row that keeps every promise, 1 for one that breaks some, 2 for one that also changes decoded text."""
    return 2 if own and row["differ"] > own["differ"] else int(bool(row.get("broken")))


def marked(by_name, name):
    """The mark of a cell whose saving has a price."""
    return ("", f" {BROKEN}", f" {OTHER_TEXT}")[kind(by_name[name], by_name.get(OWN))]


def ahead(cells):
    """Whether continued-bpe saves as much as each other method inside the pattern, and where not.

    Told apart are methods that break a promise there (part of what they save is another encoding of the same text), and
    those that give other text back than the base does (part of what they save is text).
    """
    pairs = [
        (key, by_name[OWN], row)
        for key, by_name in cells.items()
        for name, row in by_name.items()
        if OWN in by_name and name not in {OWN, OVER}
    ]
    groups = {
        "method that keeps every promise": [],
        "method that breaks a promise": [],
        "method that changes what documents decode to": [],
    }
    for pair in pairs:
        _, own, row = pair
        list(groups.values())[kind(row, own)].append(pair)
    blocks = [ahead_of(whom, compared) for whom, compared in groups.items() if compared]
    return [said for block in [*blocks, over_ahead(cells)] for said in [*block, ""]]


def over_ahead(cells):
    """How often superwords, which pass the pattern's edges, save more than any other method."""
    cells = [by_name for by_name in cells.values() if "saved" in by_name.get(OVER, {})]
    ahead = [by_name for by_name in cells if by_name[OVER]["saved"] == max(row["saved"] for row in by_name.values())]
    kept = sum(not by_name[OVER]["broken"] for by_name in cells)
    return [
        f"`{OVER}` saves most of all methods in {len(ahead)} of {len(cells)} cells, and keeps every promise in {kept}."
    ]


def ahead_of(whom, compared):
    """How often continued-bpe saves as much as one of these, and each time that it does not."""
    behind = [pair for pair in compared if pair[2]["saved"] > pair[1]["saved"]]
    end = "; not in" if behind else "."
    ahead = f"{len(compared) - len(behind)} of {len(compared)} comparisons"
    lines = [f"`{OWN}` saves at least as much as each {whom} in {ahead}{end}", *([""] if behind else [])]
    for (tokenizer, corpus, size), own, row in behind:
        lines.append(
            f"- {tokenizer}, {corpus}, +{size}: `{row['method']}` {row['saved']:.3%}, `{OWN}` {own['saved']:.3%} "
            f"(ceiling {own['ceiling']:.3%}); {price(row, own)}"
        )
    return lines


def price(row, own):
    """What the other method's saving costs."""
    differ = f"{row['differ']} of {row['documents']} documents decode otherwise than with the base"
    broken = f"breaks {', '.join(repr(name) for name in row.get('broken', ()))}"
    return differ if row["differ"] > own["differ"] else broken


def by_method(rows):
    """What each method breaks, over all cells."""
    lines = [
        "## What each method keeps",
        "",
        f"Over all cells. Promises are tried on {TRIED} held-out documents and 2 000 texts of fuzz; a promise that no "
        "theorem covers for the family is measured and cannot fail.",
        "",
        header(
            ["method", "cells", "unreachable", "ids moved", "documents longer", "round trip differs", "promises broken"]
        ),
    ]
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        sums = [f"{sum(row[what] for row in own)}" for what in ("unreachable", "moved", "longer", "differ")]
        broken = defaultdict(int)
        for row in own:
            for promise in row.get("broken", ()):
                broken[promise] += 1
        tried = sum("broken" in row for row in own)
        told = "; ".join(f"{promise} ({times})" for promise, times in broken.items()) or "none"
        lines.append(
            line([name, str(len(own)), *sums, f"{told}; tried in {tried} cells" if tried < len(own) else told])
        )
    return [*lines, ""]


def not_applicable(rows):
    refused = sorted({(row["method"], row["tokenizer"], row["refused"]) for row in rows if "refused" in row})
    lines = [f"- `{method}` on {tokenizer}: {reason}" for method, tokenizer, reason in refused]
    return ["Does not apply:", "", *lines, ""] if lines else []


def floors(rows, data):
    """What each split pattern allows at best on the held-out documents."""
    cuts = {}
    for tokenizer, corpus in dict.fromkeys((row["tokenizer"], row["corpus"]) for row in rows):
        split = family_of(TokenizerFile.load(data / "tokenizers" / tokenizer)).splitter()
        cuts[tokenizer, corpus] = mark_cuts(split, documents(data, corpus)[1])
    return cuts


def marks(cuts):
    lines = [
        "## The pattern's floor",
        "",
        "Tokens a word at the least, and what of it is cuts at combining marks inside words.",
        "",
        header(["tokenizer", "corpus", "floor", "of its cuts at marks", "floor without those"]),
    ]
    for (tokenizer, corpus), found in cuts.items():
        lines.append(
            line([tokenizer, corpus, f"{found.floor:.2f}", f"{found.share:.0%}", f"{found.floor_without:.2f}"])
        )
    return lines


def share(row):
    fewer = f" ({row['added']})" if row["added"] < row["asked"] else ""
    return f"{row['saved']:.2%}{fewer}"


def cell(row, name):
    return f"{row[name]:.2%}" if name in {"saved", "ceiling"} else str(row[name])


def header(names):
    names = list(names)
    rule = "|" + "---|" * len(names)
    return f"{line(names)}\n{rule}"


def line(cells):
    return "| " + " | ".join(cells) + " |"
