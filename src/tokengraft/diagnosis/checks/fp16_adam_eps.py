"""Adam in half precision."""

from collections.abc import Iterator
from typing import Any

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error
from tokengraft.diagnosis.precision import trained_dtype

ADAMS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adamw_torch": (torch.optim.AdamW, {"foreach": True}),
    "adamw_torch_fused": (torch.optim.AdamW, {"fused": True}),
    "adamw_hf": (torch.optim.AdamW, {"foreach": False}),
    "adamw": (torch.optim.AdamW, {}),
    "adam": (torch.optim.Adam, {}),
}


@check("fp16-adam-eps", needs=("training",), symptom="loss is nan at the second step")
def fp16_adam_eps(case: Case) -> Iterator[Finding]:
    """Parameters in float16 with an ε that is 0 there: one step of Adam makes every entry without gradient NaN."""
    training = case.training
    assert training
    if trained_dtype(case) is not torch.float16 or not training.trains_whole_tables:
        return
    broken = first_step(training.optim, training.adam_epsilon, training.learning_rate)
    if broken is None or not broken:
        return
    rows = case.tables.rows
    yield error(
        f"float16 parameters, {training.optim} with ε {training.adam_epsilon:g}: one step tried here turns an entry "
        f"with gradient 0 into NaN; of {rows} rows all whose tokens are not in the batch",
        f"In float16 the smallest number is 6e-8, so ε = {training.adam_epsilon:g} is 0 and the update of a zero "
        "gradient is 0/0; the squares of small gradients are 0 too. transformers 5 keeps a float16 checkpoint's dtype.",
        "load with dtype=torch.float32 (with fp16=True as autocast) or torch.bfloat16; or set adam_epsilon to 1e-4, "
        "or optim to adamw_torch_fused",
        optim=training.optim,
        adam_epsilon=training.adam_epsilon,
        rows=rows,
    )


def first_step(optim: str, eps: float, rate: float) -> bool | None:
    """Whether one step of this optimiser makes float16 entries with gradient 0 NaN; None where it is not known.

    >>> first_step("adamw_torch", 1e-8, 1e-3), first_step("adamw_torch", 1e-4, 1e-3)
    (True, False)
    """
    if optim not in ADAMS:
        return None
    kind, options = ADAMS[optim]
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float16))
    weight.grad = torch.zeros_like(weight)
    try:
        kind([weight], lr=rate, eps=eps, **options).step()  # type: ignore[call-arg]
    except RuntimeError:  # a fused kernel that this machine lacks
        return None
    return bool(weight.isnan().any())
