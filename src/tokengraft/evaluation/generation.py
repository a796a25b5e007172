"""Greedy continuations, with what they cost.

A loop of its own instead of `model.generate`, which takes sampling and penalties from the checkpoint's generation
settings and knows nothing of rows that stand for no token.
"""

import time
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from tokengraft.evaluation.context import context_ids
from tokengraft.model.load import context_length
from tokengraft.tokenizer import TokenizerFile


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a model wrote after a prompt."""

    prompt: str
    text: str
    ids: list[int]
    """Generated ids, without the one that ended the text."""
    bytes: int
    steps: int
    """Decode steps, the ending one included."""
    seconds: float
    """Wall time of all steps, the reading of the prompt included."""
    stopped: Literal["end", "length", "context"]
    """The model ended the text; as many tokens as asked for; no room left in the model's context."""

    @property
    def bytes_per_second(self) -> float:
        """Speed as a reader of the text sees it."""
        return self.bytes / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_step(self) -> float:
        """Text that each decode step yields: what longer tokens are for."""
        return self.bytes / self.steps if self.steps else 0.0


def continue_greedily(model: Any, tokenizer: TokenizerFile, prompt: str, *, max_tokens: int) -> Continuation:
    """The most probable continuation token by token, of at most `max_tokens` tokens; one prompt, so no padding.

    A prompt that fills the model's context gets an empty continuation, `stopped` "context".
    """
    start = tokenizer.prefix_ids() + tokenizer.encode([prompt])[0] or context_ids(tokenizer)
    room = min(max_tokens, context_length(model) - len(start))
    ends = _end_ids(model, tokenizer)
    begun = time.perf_counter()
    ids = _decode(model, start, room, tokenizer.size, ends)
    seconds = time.perf_counter() - begun
    ended = bool(ids) and ids[-1] in ends
    kept = ids[:-1] if ended else ids
    size = sum(len(tokenizer.token_bytes(number)) for number in kept)
    reason: Literal["end", "length", "context"] = "end" if ended else "length" if room == max_tokens else "context"
    return Continuation(prompt, tokenizer.decode(kept), kept, size, len(ids), seconds, reason)


@torch.inference_mode()
def _decode(model: Any, start: list[int], room: int, size: int, ends: frozenset[int]) -> list[int]:
    ids: list[int] = []
    cache, given = None, _row(start, model)
    while len(ids) < room and not (ids and ids[-1] in ends):
        output = model(input_ids=given, past_key_values=cache, use_cache=True)
        # Rows beyond the tokenizer's ids are padding: they decode to nothing.
        ids.append(int(output.logits[0, -1, :size].argmax()))
        cache, given = output.past_key_values, _row(ids[-1:], model)
    return ids


def _row(ids: list[int], model: Any) -> Int[Tensor, "1 width"]:
    return torch.tensor([ids], device=model.device)


def _end_ids(model: Any, tokenizer: TokenizerFile) -> frozenset[int]:
    """Ids that end a text, as the tokenizer and the model's settings name them."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(number for number in [tokenizer.eos_id, *several] if number is not None)
