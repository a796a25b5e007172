"""Pad and end are one token."""

from collections.abc import Iterator

from tokengraft.diagnosis.batches import IGNORED
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, info

MASKING = ("DataCollatorForLanguageModeling", "DataCollatorForCompletionOnlyLM")
"""Collators that take every pad id out of the labels, wherever it stands."""


@check("pad-is-eos", needs=("tokenizer",), symptom="the fine-tuned model never stops")
def pad_is_eos(case: Case) -> Iterator[Finding]:
    """The pad token is the eos token, and what masks padding masks every real eos."""
    assert case.vocabulary
    pad, eos = case.vocabulary.id_of("pad_token"), case.vocabulary.id_of("eos_token")
    if pad is None or pad != eos:
        return
    token = f"{eos} {case.vocabulary.token(pad)!r}"
    real, masked = masked_ends(case, pad)
    masking = case.training is not None and case.training.collator in MASKING
    if real and masked == real:
        found = f"pad and eos are both id {token}, and all {real} real eos in the batches have the label −100"
    elif masking and not real:
        assert case.training
        found = f"pad and eos are both id {token}, and {case.training.collator} takes every pad out of the labels"
    else:
        yield info(
            f"pad and eos are both id {token}",
            "That is fine as long as padding is told from text by the attention mask. A collator that masks labels by "
            "id masks every real eos too.",
            "before fine-tuning with such a collator, give pad a token of its own",
            id=pad,
        )
        return
    yield error(
        found,
        "The loss never sees an eos, so the model never learns to stop.",
        'give pad a token of its own: tokengraft special MODEL --pad "<|pad|>" --out NEW; or mask labels by the '
        "attention mask",
        id=pad,
        real_eos=real,
        masked_eos=masked,
    )


def masked_ends(case: Case, eos: int) -> tuple[int, int]:
    """How many eos the batches hold as text, and how many of them have no label. Without a mask, the first of a run
    of them at the end counts as text.
    """
    real = masked = 0
    for batch in case.any_batches:
        if batch.labels is None:
            continue
        ends = batch.ids == eos
        if batch.mask is None:
            ends[:, 1:] &= batch.ids[:, :-1] != eos
        else:
            ends &= batch.mask.bool()
        ends[:, 0] = False  # an eos that begins a sequence is a separator and no target
        real += int(ends.sum())
        masked += int((ends & (batch.labels == IGNORED)).sum())
    return real, masked
