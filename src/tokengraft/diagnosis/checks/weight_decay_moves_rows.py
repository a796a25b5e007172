"""Decay of rows that were to stand still."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error


@check("weight-decay-moves-rows", needs=("training",), symptom="old tokens drift although their gradients are masked")
def weight_decay_moves_rows(case: Case) -> Iterator[Finding]:
    """Rows whose gradients are masked are trained by an optimiser with weight decay, which moves them all the same."""
    training = case.training
    assert training
    if not training.frozen_rows or not training.weight_decay or not training.trains_whole_tables:
        return
    kept = (1 - training.learning_rate * training.weight_decay) ** training.max_steps
    yield error(
        f"{training.frozen_rows} rows are meant to stand still, and weight decay {training.weight_decay} at rate "
        f"{training.learning_rate} shrinks them by up to {1 - kept:.2%} in {training.max_steps} steps",
        "AdamW subtracts rate · decay · weight from every entry, whatever the gradient is. A mask on the gradient does "
        "not stop it.",
        "set weight_decay to 0 for the tables, or train the new rows as parameters of their own "
        "(trainable_token_indices, tg.train)",
        frozen_rows=training.frozen_rows,
        weight_decay=training.weight_decay,
        learning_rate=training.learning_rate,
        shrinks_by=1 - kept,
    )
