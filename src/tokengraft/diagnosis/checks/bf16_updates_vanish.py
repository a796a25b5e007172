"""Updates that round to nothing."""

from collections.abc import Iterator

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, warning
from tokengraft.diagnosis.precision import trained_dtype

SAMPLE = 512
"""Rows tried."""
MOST = 0.5
"""Share of lost updates above which it is said."""


@check("bf16-updates-vanish", needs=("training",), symptom="the loss stands still; new tokens learn nothing")
def bf16_updates_vanish(case: Case) -> Iterator[Finding]:
    """Parameters in bfloat16 and a rate so low that most of Adam's updates are rounded away."""
    training = case.training
    assert training
    if trained_dtype(case) is not torch.bfloat16 or not training.trains_whole_tables:
        return
    rows = case.tables.weights.rows(case.tables.input_name, 0, min(SAMPLE, case.tables.rows)).to(torch.bfloat16)
    # Adam's update is about the rate itself, up to its schedule.
    lost = float((rows - torch.tensor(training.learning_rate, dtype=torch.bfloat16) == rows).float().mean())
    if lost > MOST:
        yield warning(
            f"an update of {training.learning_rate:g} leaves {lost:.0%} of the table's bfloat16 entries as they are",
            "bfloat16 keeps 8 bits of a number: what is smaller than 1/256 of an entry is lost, at every step anew.",
            "keep float32 parameters (dtype=torch.float32 with bf16=True), or raise the rate of the rows",
            learning_rate=training.learning_rate,
            lost=lost,
        )
