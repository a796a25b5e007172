"""No pad token."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, info, warning

PADDING = (
    "DataCollatorForLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification",
    "DataCollatorWithPadding",
)


@check("pad-missing", needs=("tokenizer",), symptom="Asking to pad but the tokenizer does not have a padding token")
def pad_missing(case: Case) -> Iterator[Finding]:
    """The tokenizer has no pad token."""
    assert case.vocabulary
    if "pad_token" in case.vocabulary.roles:
        return
    training = case.training
    pads = training is not None and not training.packing and training.per_device_train_batch_size > 1
    # A collator of transformers pads and raises; of another one it is not known whether it packs.
    raises = pads and training is not None and training.collator in PADDING
    say = error if raises else warning if pads else info
    batch = training.per_device_train_batch_size if training else None
    yield say(
        "the tokenizer names no pad token"
        + (f", and the training pads batches of {batch} sequences without packing" if pads else ""),
        "Batches of unequal length cannot be made. The usual way out, pad = eos, takes every eos out of the labels, "
        "and the model never learns to stop.",
        'give it a pad token of its own: tokengraft special MODEL --pad "<|pad|>" --out NEW; or train packed sequences',
        pad_token=None,
        batch_size=batch,
    )
