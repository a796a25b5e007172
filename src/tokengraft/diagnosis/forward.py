"""Small forward passes that several checks share."""

from inspect import signature
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.importance import in_batches

PROMPT_LENGTHS = (3, 7, 12)
TEXT = "The weather was fine and so she went out to see what the others had found on the way to the river"


def prompts(case: Case) -> list[Int[Tensor, " positions"]]:
    """Three prompts of different lengths, out of the batches or else of a plain sentence; no special ids inside."""
    assert case.vocabulary
    special = set(case.vocabulary.added.values())
    ids = [number for number in _ordinary(case) if number not in special and number < case.tables.rows]
    ids = (ids * (sum(PROMPT_LENGTHS) // max(1, len(ids)) + 1)) if ids else [0] * sum(PROMPT_LENGTHS)
    ends = torch.tensor((0, *PROMPT_LENGTHS)).cumsum(0).tolist()
    return [torch.tensor(ids[start:stop]) for start, stop in pairwise(ends)]


def _ordinary(case: Case) -> list[int]:
    assert case.vocabulary
    if in_batches(case):
        batch = case.any_batches[0]
        return batch.ids[0][batch.attended[0]].tolist()
    return case.vocabulary.encode(TEXT)


@torch.no_grad()
def greedy(model: Any, ids: Int[Tensor, "b t"], mask: Int[Tensor, "b t"], steps: int) -> Int[Tensor, "b steps"]:
    """The `steps` tokens that greedy decoding appends, as `generate` does it: positions are counted by the mask."""
    place = next(model.parameters()).device
    ids, mask = ids.to(place), mask.to(place)
    start = ids.shape[1]
    for _ in range(steps):
        extra = {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)} if takes_positions(model) else {}
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, **extra).logits[:, -1]
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return ids[:, start:].cpu()


def takes_positions(model: Any) -> bool:
    """Whether the forward pass accepts position ids."""
    return "position_ids" in signature(model.forward).parameters
