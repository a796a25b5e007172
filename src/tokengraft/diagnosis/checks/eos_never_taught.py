"""No end in the labels."""

from collections.abc import Iterator

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.checks.pad_is_eos import masked_ends
from tokengraft.diagnosis.checks.stop_id_never_emitted import stop_ids
from tokengraft.diagnosis.finding import Finding, warning


@check("eos-never-taught", needs=("labels", "tokenizer"), symptom="the fine-tuned model never stops")
def eos_never_taught(case: Case) -> Iterator[Finding]:
    """No label in the batches is an id on which generation stops."""
    assert case.vocabulary
    stops = stop_ids(case)
    labels = [batch.labels for batch in case.batches if batch.labels is not None]
    if not stops or any(bool(torch.isin(part, torch.tensor(sorted(stops))).any()) for part in labels):
        return
    pad = case.vocabulary.id_of("pad_token")
    if pad in stops and masked_ends(case, pad)[0]:
        return  # they are there and lost their labels: pad-is-eos
    last = torch.cat([_last_labels(part) for part in labels])
    if not len(last):
        return
    ends, counts = last.unique(return_counts=True)
    most = int(ends[counts.argmax()])
    yield warning(
        f"no label in {len(labels)} batches is a stop id ({', '.join(case.vocabulary.named(sorted(stops)))}); "
        f"{int(counts.max())} of {len(last)} sequences end in {case.vocabulary.named([most])[0]}",
        "What is never a label is never learnt, and generation runs to its limit. It is fine only where every "
        "sequence was cut from longer text.",
        "append the eos token to each text before it is encoded, or make generation stop on the token that ends them",
        stop_ids=sorted(stops),
        most_common_last=most,
        sequences=len(last),
    )


def _last_labels(labels: torch.Tensor) -> torch.Tensor:
    """The last label that counts in each sequence which has one."""
    counts = labels != -100
    rows = counts.any(1)
    places = labels.shape[1] - 1 - counts.flip(1).int().argmax(1)
    return labels.gather(1, places[:, None])[rows, 0]
