"""Ids without a row."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, listed
from tokengraft.diagnosis.remedies import from_base


@check("ids-beyond-table", needs=("tokenizer",), symptom="index out of range in self; CUDA error: device-side assert")
def ids_beyond_table(case: Case) -> Iterator[Finding]:
    """The tokenizer has ids that the model's tables have no row for."""
    assert case.vocabulary
    rows, size = min(case.tables.rows, case.tables.head_rows), case.vocabulary.size
    ids = [number for number in range(rows, size) if case.vocabulary.file.tokens[number] is not None]
    if ids:
        yield error(
            f"{len(ids)} ids of the tokenizer have no row: {listed(case.vocabulary.named(ids))}; "
            f"the tables end at id {rows - 1}",
            "A text with one of these tokens is an index error on a CPU, and a device-side assert on CUDA that names "
            "another line. It is what a pad token that was added without growing the model does.",
            f"add tokens to model and tokenizer together{_command(case, ids)}; or grow the tables by "
            f"model.resize_token_embeddings({size}, mean_resizing=False) and set the new rows yourself",
            rows=rows,
            tokenizer_size=size,
            ids=ids[:50],
        )


def _command(case: Case, ids: list[int]) -> str:
    command = from_base(case, ids)
    return f", from the model and tokenizer without them: {command}" if command else ""
