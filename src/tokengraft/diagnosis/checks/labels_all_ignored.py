"""Batches without a label."""

from collections.abc import Iterator

from tokengraft.diagnosis.batches import IGNORED
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, listed, warning


@check("labels-all-ignored", needs=("labels",), symptom="loss is nan, or logged as 0.0")
def labels_all_ignored(case: Case) -> Iterator[Finding]:
    """A batch, or single sequences, whose labels are all −100."""
    # A label at the first position is never compared with a prediction: the loss shifts by one.
    counted = [(batch.labels[:, 1:] != IGNORED).any(1) for batch in case.batches if batch.labels is not None]
    empty = [place for place, rows in enumerate(counted) if not bool(rows.any())]
    alone = sum(int((~rows).sum()) for rows in counted)
    total = sum(len(rows) for rows in counted)
    if empty:
        yield error(
            f"{len(empty)} of {len(counted)} batches have no label that counts: batch {listed(empty)}",
            "The mean over no positions is 0/0: the loss is NaN, which the Trainer logs as 0.0, and so are the "
            "gradients.",
            "check what masks the prompt: a response template that is not found, or texts cut before the answer",
            batches=empty[:50],
            sequences=alone,
        )
    elif alone:
        yield warning(
            f"{alone} of {total} sequences have no label that counts",
            "They teach nothing, and a batch of such sequences alone has a NaN loss.",
            "leave them out, or check what masks the prompt",
            sequences=alone,
            of=total,
        )
