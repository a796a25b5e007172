"""Ids in the data without a row."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, error, listed


@check("batch-ids-beyond-table", needs=("batches",), symptom="index out of range in self")
def batch_ids_beyond_table(case: Case) -> Iterator[Finding]:
    """A batch holds ids, or labels, that the model's tables have no row for, or negative ids."""
    rows = min(case.tables.rows, case.tables.head_rows)
    for what in ("ids", "labels"):
        wrong: dict[int, int] = {}
        for place, batch in enumerate(case.batches):
            values = getattr(batch, what)
            if values is None:
                continue
            low = values < 0 if what == "ids" else (values < 0) & (values != -100)
            for number in values[low | (values >= rows)].unique().tolist():
                wrong.setdefault(number, place)
        if wrong:
            ids = sorted(wrong)[:KEPT]
            yield error(
                f"{len(wrong)} {'ids' if what == 'ids' else 'labels'} in the batches are outside 0 to {rows - 1}: "
                f"{listed(ids)}; first in batch {min(wrong.values())}",
                "The embedding or the loss indexes outside its table: an index error on a CPU, a device-side assert "
                "on CUDA. −100 is the only label that is left out.",
                "encode the data with this model's tokenizer, or grow the model for the new tokens",
                rows=rows,
                ids=ids,
                batch=min(wrong.values()),
            )
