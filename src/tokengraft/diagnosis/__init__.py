"""Finds what is wrong with a model, its tokenizer, its adapter, its data and its training, and says what to do."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokengraft.diagnosis.batches import read_records
from tokengraft.diagnosis.case import Case, open_case
from tokengraft.diagnosis.checks import checks
from tokengraft.diagnosis.examination import Examination, examine
from tokengraft.diagnosis.finding import Finding, Severity
from tokengraft.diagnosis.repair import repair


def doctor(
    model: Any,
    tokenizer: Any = None,
    batches: Iterable[Mapping[str, Any]] | None = None,
    *,
    base: Any = None,
    adapter: str | Path | None = None,
    training: str | Path | Mapping[str, Any] | None = None,
    forward: bool | None = None,
    only: Sequence[str] | None = None,
) -> list[Finding]:
    """What is wrong, the worst first; an empty list where nothing is.

    `model` is a folder, a hub id or a loaded model; tables in a folder are streamed and not loaded as a whole.
    `tokenizer` is left out where it is in the model's folder. `batches` are mappings with `input_ids` (sequences,
    positions) and, where there are any, `attention_mask` and `labels`; the first 64 are looked at. `base` is what the
    model was before its tokens were added (a model, or a pair of model and tokenizer), `adapter` a PEFT folder,
    `training` a mapping of settings or a file of them (docs/doctor.md has the names). `forward` loads the model for
    the checks that need it: by default only up to 1 GiB of weights. `only` names the checks to run.

    >>> import torch
    >>> from tokengraft.bundled import MODEL_DIR
    >>> ids = torch.tensor([[0, 5, 6, 9999]])
    >>> [finding.code for finding in doctor(MODEL_DIR, batches=[{"input_ids": ids}], only=["batch-ids-beyond-table"])]
    ['batch-ids-beyond-table']

    Raises:
        ModelError: model, base or adapter are missing or are none; an adapter without its base.
        TokenizerError: the tokenizer is missing or not well formed.
        CorpusError: batches are of another form.
        ConfigError: training settings, or names in `only`, that are not known.
    """
    case = open_case(
        model, tokenizer, base=base, data=batches, adapter=adapter, training=training, forward=forward
    )  # fmt: skip
    return examine(case, only).findings


__all__ = [
    "Case",
    "Examination",
    "Finding",
    "Severity",
    "checks",
    "doctor",
    "examine",
    "open_case",
    "read_records",
    "repair",
]
