"""Training on padding."""

from collections.abc import Iterator

import torch

from tokengraft.diagnosis.batches import IGNORED
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error


@check("labels-on-padding", needs=("labels",), symptom="the model writes pad tokens; the loss is too good")
def labels_on_padding(case: Case) -> Iterator[Finding]:
    """Padded positions have labels."""
    vocabulary = case.vocabulary
    pad = vocabulary.id_of("pad_token") if vocabulary else None
    own = pad if vocabulary and pad != vocabulary.id_of("eos_token") else None
    padded = labelled = 0
    first = None
    for place, batch in enumerate(case.batches):
        if batch.labels is None or (batch.mask is None and own is None):
            continue
        padding = ~batch.attended if batch.mask is not None else torch.eq(batch.ids, own or 0)
        wrong = int((padding & (batch.labels != IGNORED)).sum())
        padded, labelled = padded + int(padding.sum()), labelled + wrong
        first = place if wrong and first is None else first
    if labelled:
        yield error(
            f"{labelled} of {padded} padded positions have a label other than −100; first in batch {first}",
            "The loss is the mean over padding as well: it falls while the model learns to predict padding, and "
            "short texts lose their weight.",
            "set labels to −100 where attention_mask is 0, for instance with DataCollatorForSeq2Seq",
            padded=padded,
            labelled=labelled,
            batch=first,
            pad_id=pad,
        )
