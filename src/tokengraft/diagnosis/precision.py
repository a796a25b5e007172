"""In which precision a training keeps its parameters."""

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.training import DTYPES


def trained_dtype(case: Case) -> torch.dtype:
    """The dtype of the trained tables: as the training says, else as the weights are, which is what is loaded."""
    said = case.training.dtype if case.training else None
    return DTYPES[said] if said else case.tables.weights.dtype(case.tables.input_name)
