"""New tokens that the data does not teach."""

from collections.abc import Iterator

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.checks.rows_untrained import SPARE
from tokengraft.diagnosis.finding import KEPT, Finding, listed, warning


@check("new-tokens-unused", needs=("tokenizer", "batches"), symptom="a new special token is never generated")
def new_tokens_unused(case: Case) -> Iterator[Finding]:
    """New tokens that no batch holds, or that are never a label; without a base, the latest added tokens."""
    assert case.vocabulary
    new = case.new_ids() or _late_tokens(case)
    if not new:
        return
    inputs, labels = counts(case)
    absent = [number for number in new if not inputs[number]]
    unlabelled = [number for number in new if inputs[number] and not labels[number]]
    labelled = any(batch.labels is not None for batch in case.batches)
    positions = int(inputs.sum())
    if absent:
        yield warning(
            f"{len(absent)} of {len(new)} new tokens do not occur in {positions} positions of "
            f"{len(case.batches)} batches: {listed(case.vocabulary.named(absent))}",
            "A row without occurrences has no gradient and stays as it was made.",
            "check that the text really holds them, and that it is encoded with this tokenizer",
            ids=absent[:KEPT],
            positions=positions,
        )
    if labelled and len(unlabelled) == len(new) - len(absent) and unlabelled:
        yield warning(
            f"none of the {len(unlabelled)} new tokens in the batches is ever a label: "
            f"{listed(case.vocabulary.named(unlabelled))}",
            "The model reads them and never learns to write them. For tokens of the prompt alone that is right.",
            "if the model is to write them, take them out of the masked part",
            ids=unlabelled[:KEPT],
        )


def counts(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """How often each id is text, and how often it is a label."""
    assert case.vocabulary
    size = case.vocabulary.size
    inputs, labels = torch.zeros(size, dtype=torch.int64), torch.zeros(size, dtype=torch.int64)
    for batch in case.batches:
        inputs += _counted(batch.ids[batch.attended], size)
        if batch.labels is not None:
            labels += _counted(batch.labels, size)
    return inputs, labels


def _counted(values: torch.Tensor, size: int) -> torch.Tensor:
    return values[(values >= 0) & (values < size)].flatten().bincount(minlength=size)


def _late_tokens(case: Case) -> list[int]:
    """Added tokens at the end of the vocabulary, without those that have a role or that lie there unused on purpose."""
    assert case.vocabulary
    last = max(case.vocabulary.file.vocabulary.values(), default=-1)
    roles = set(case.vocabulary.roles.values())
    return sorted(
        number
        for token, number in case.vocabulary.added.items()
        if number > last and token not in roles and not SPARE.search(token)
    )
