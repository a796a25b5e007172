"""Rows that were to stay."""

from collections.abc import Iterator

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, error, info, listed, warning
from tokengraft.diagnosis.tables import Table

LITTLE = 0.5
"""Share of changed rows above which the whole table was evidently trained."""


@check("old-rows-changed", needs=("base",), symptom="the model forgot what it knew after tokens were added")
def old_rows_changed(case: Case) -> Iterator[Finding]:
    """Old rows that are no longer the base's, bit for bit."""
    assert case.base
    base = dict(case.base.tables.each())
    for name, table in case.tables.each():
        theirs = base.get(name) or case.base.tables.input
        rows = min(table.rows, theirs.rows, case.base.used)
        if table.dtype != theirs.dtype or table.width != theirs.width:
            continue  # another dtype has other bits
        changed = (table.hashes[:rows] != theirs.hashes[:rows]).nonzero()[:, 0].tolist()
        if changed:
            yield _finding(case, name, table, theirs, changed, rows)


def _finding(case: Case, name: str, table: Table, theirs: Table, changed: list[int], rows: int) -> Finding:
    assert case.base
    sample = torch.tensor(changed[:: max(1, len(changed) // 1000)])
    own, old = (
        torch.stack([weights.rows(which.name, row, row + 1)[0].double() for row in sample.tolist()])
        for weights, which in ((case.tables.weights, table), (case.base.tables.weights, theirs))
    )
    moved = (own - old).norm(dim=1) / old.norm(dim=1).clamp(min=1e-12)
    # Decay alone multiplies each row by one number.
    factor = (own * old).sum(1) / old.square().sum(1).clamp(min=1e-24)
    decayed = bool(((own - factor[:, None] * old).norm(dim=1) < 0.1 * (own - old).norm(dim=1)).float().mean() > 0.9)
    meant = case.training.frozen_rows if case.training else 0
    say = error if any(row < meant for row in changed) else warning if len(changed) < LITTLE * rows or decayed else info
    return say(
        f"{len(changed)} of {rows} old rows of the {name} differ from the base's, by {float(moved.median()):.2%} of "
        f"their norm in the median"
        + (f", all shrunk by one factor ({float(factor.median()):.5f})" if decayed else "")
        + f": {listed([f'{row} {case.token(row)!r}' for row in changed], 4)}",
        "Old text is read with these rows. "
        + (
            "Weight decay has moved them: AdamW decays every entry, also where the gradient is masked."
            if decayed
            else "It is meant so where the table was trained as a whole."
        ),
        "restore them from the base, and train new rows as parameters of their own (tg.distill, tg.train, or peft's "
        "trainable_token_indices)",
        table=table.name,
        changed=len(changed),
        rows=changed[:KEPT],
        median_change=float(moved.median()),
        decay_factor=float(factor.median()) if decayed else None,
    )
