"""Rows as a resize left them."""

import re
from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, info, listed, warning
from tokengraft.diagnosis.remedies import make_anew
from tokengraft.diagnosis.tables import Table
from tokengraft.diagnosis.weights import Weights

NEAR = 1e-2
"""Distance to the table's mean, as a share of the median norm, below which a row is the mean with a little noise."""
SPARE = re.compile(r"reserved|unused|extra_id|placeholder|dummy|special_\d", re.IGNORECASE)
"""Names of tokens that a vocabulary keeps for later."""


@check("rows-untrained", needs=(), symptom="a new special token is never generated")
def rows_untrained(case: Case) -> Iterator[Finding]:
    """Rows that are the mean of the table with a little noise: transformers' initialisation at a resize, untrained."""
    for name, table in case.tables.each():
        rows = collapsed(case.tables.weights, table, case.used)
        if rows:
            spare = all(SPARE.search(case.token(row)) for row in rows)
            say = info if spare else warning
            yield say(
                f"{len(rows)} rows of the {name} are nearly the mean of the others: "
                f"{listed([f'{row} {case.token(row)!r}' for row in rows])}; their norm is "
                f"{float(table.norms[rows].mean()):.3g}, the median {table.typical(case.used):.3g}",
                "resize_token_embeddings gives every new token nearly the same row, and it has not been trained since. "
                "The model cannot tell these tokens apart, and in the head none of them ever wins.",
                f"{make_anew(case, rows, name)}; then train them: with LoRA by trainable_token_indices or "
                "modules_to_save",
                table=table.name,
                rows=rows[:KEPT],
                count=len(rows),
                mean_norm=float(table.norms[rows].mean()),
            )


def collapsed(weights: Weights, table: Table, below: int) -> list[int]:
    """Ids of the rows that lie at the table's mean. Rows at the mean leave it where it was before they came."""
    near = NEAR * table.typical(below)
    # Only a row whose norm is about that of the mean can lie there, so that few rows are read again.
    length = float(table.mean.norm())
    norms = table.norms[:below].double()
    candidates = (table.finite[:below] & (norms > 0) & ((norms - length).abs() <= near)).nonzero()[:, 0]
    return [
        row for row in candidates.tolist()
        if float((weights.rows(table.name, row, row + 1)[0].double() - table.mean).norm()) < near
    ]  # fmt: skip
