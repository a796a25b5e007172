"""Settings that contradict the weights."""

import json
from collections.abc import Iterator
from pathlib import Path

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error


@check("vocab-size-mismatch", needs=(), symptom="size mismatch for lm_head.weight")
def vocab_size_mismatch(case: Case) -> Iterator[Finding]:
    """`config.vocab_size` is not the number of rows of a table, or the two tables have different numbers."""
    said, tables = case.text_settings.vocab_size, case.tables
    rows, head = tables.rows, tables.head_rows
    if rows == head == said:
        return
    finding = error(
        f"config.vocab_size is {said}, the input table has {rows} rows and the head {head}",
        "Loading makes tables of config.vocab_size rows and refuses these (“size mismatch”); with "
        "ignore_mismatched_sizes=True it throws the trained tables away and makes random ones.",
        f"set vocab_size in config.json to {rows} (--fix does so on a copy)"
        if rows == head
        else "save the model again after growing both tables",
        vocab_size=said,
        input_rows=rows,
        head_rows=head,
    )
    yield finding.repairable() if rows == head else finding


@vocab_size_mismatch.repaired_by
def follow_the_tables(case: Case, folder: Path) -> str | None:
    """Writes the number of rows into `config.json`."""
    file = folder / "config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    place = settings if "vocab_size" in settings or "text_config" not in settings else settings["text_config"]
    place["vocab_size"] = case.tables.rows
    atomic.write_json(file, settings)
    return f"config.json: vocab_size = {case.tables.rows}"
