"""A gradient scaler over half-precision parameters."""

from collections.abc import Iterator

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error
from tokengraft.diagnosis.precision import trained_dtype


@check("fp16-scaler-on-fp16", needs=("training",), symptom="Attempting to unscale FP16 gradients")
def fp16_scaler_on_fp16(case: Case) -> Iterator[Finding]:
    """`fp16=True` scales gradients, and refuses parameters that are themselves float16."""
    assert case.training
    if case.training.fp16 and not case.training.is_lora and trained_dtype(case) is torch.float16:
        yield error(
            "fp16=True and float16 parameters",
            "The gradient scaler of mixed precision wants float32 parameters and raises “Attempting to unscale FP16 "
            "gradients”.",
            "load with dtype=torch.float32, or train in bfloat16",
            fp16=True,
            dtype="float16",
        )
