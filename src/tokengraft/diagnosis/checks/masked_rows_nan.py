"""Padding that poisons attention."""

from collections.abc import Iterator
from typing import Any

import torch

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, warning
from tokengraft.diagnosis.forward import prompts


@check("masked-rows-nan", needs=("tokenizer", "model"), symptom="nan logits only in padded batches")
def masked_rows_nan(case: Case) -> Iterator[Finding]:
    """Positions that may attend to nothing (padding on the left) turn into NaN on this device."""
    own = prompts(case)
    longest = max(map(len, own))
    ids = torch.stack([torch.nn.functional.pad(row, (longest - len(row), 0), value=int(own[0][0])) for row in own])
    mask = torch.stack([torch.arange(longest) >= longest - len(row) for row in own])
    if not _finite(case.model, ids, torch.ones_like(mask)).all():
        return  # NaN without any padding is another fault
    finite = _finite(case.model, ids, mask)
    text, padding = int((~finite & mask).sum()), int((~finite & ~mask).sum())
    if not text and not padding:
        return
    device, kind = next(case.model.parameters()).device, getattr(case.model.config, "_attn_implementation", "unknown")
    yield (error if text else warning)(
        f"with padding on the left, {text} of {int(mask.sum())} text positions and {padding} of "
        f"{int((~mask).sum())} padded ones have NaN or Inf logits ({kind} attention on {device})",
        "A softmax over nothing but −∞ is 0/0. It stays in the padding only if nothing else reads it: a mean over all "
        "positions, or the gradient of a masked loss, carries it on.",
        'load with attn_implementation="sdpa" or "eager" of a recent transformers; or mask with the smallest finite '
        "number of the dtype",
        attention=kind,
        device=str(device),
        text_positions=text,
        padded_positions=padding,
    )


@torch.no_grad()
def _finite(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    place = next(model.parameters()).device
    return model(input_ids=ids.to(place), attention_mask=mask.long().to(place)).logits.isfinite().all(-1).cpu()
