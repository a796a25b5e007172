"""What must hold at every step: finite losses and rows, and an optimiser that does not divide by zero."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tokengraft.errors import ModelError

SHOWN = 5
"""Rows that a message names at most."""


def require_finite(values: Mapping[str, float], where: str) -> None:
    """Returns where all values are finite.

    Raises:
        ModelError: one is not; the step was not taken, so what was trained and the last checkpoint are as they were.
    """
    if not all(math.isfinite(value) for value in values.values()):
        raise ModelError(
            found=f"a loss that is not finite at {where}: {dict(values)}",
            expected="finite losses",
            do="lower the learning rates, or run the base model in float32 or bfloat16; the last checkpoint is kept",
        )


@torch.no_grad()
def require_finite_rows(module: nn.Module, where: str) -> None:
    """Returns where every number of the trained parameters is finite: one pass over them, without a copy.

    Raises:
        ModelError: one is not; parameter and rows are named.
    """
    parameters = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    if not parameters:
        return
    largest = torch._foreach_norm([parameter for _, parameter in parameters], math.inf)
    if all(math.isfinite(float(value)) for value in largest):
        return
    for name, parameter in parameters:
        rows = _bad_rows(parameter)
        if rows:
            more = ", …" if len(rows) > SHOWN else ""
            raise ModelError(
                found=f"numbers that are not finite after {where}: {name}, "
                f"rows {', '.join(map(str, rows[:SHOWN]))}{more}",
                expected="finite weights",
                do="go on from the last checkpoint with a lower learning rate; it was written before this step",
            )


def _bad_rows(parameter: Tensor) -> list[int]:
    if parameter.numel() == 0:
        return []
    finite = parameter.isfinite().reshape(parameter.shape[0] if parameter.ndim else 1, -1).all(1)
    return (~finite).nonzero()[:, 0].tolist()


def refuse_zero_division(optimizer: Optimizer) -> None:
    """Returns where the optimiser's `eps` is more than 0 in the dtype of its parameters.

    Adam divides by √v + eps. In float16 the usual 1e-8 is 0, and so is v wherever there was no gradient: 0/0 makes NaN
    of every embedding row that a step did not touch. Fused kernels calculate in float32.

    Raises:
        ModelError: it would divide by zero.
    """
    for group in optimizer.param_groups:
        eps = group.get("eps")
        if eps is None or group.get("fused"):
            continue
        if any(p.dtype == torch.float16 and torch.tensor(eps, dtype=torch.float16) == 0 for p in group["params"]):
            raise ModelError(
                found=f"float16 parameters under {type(optimizer).__name__} with eps {eps:g}, which is 0 in float16",
                expected="an optimiser that cannot divide 0 by 0: rows without a gradient would be NaN after one step",
                do="load the model in bfloat16 or float32, or leave master_weights on",
            )
