"""Greedy continuations, with what they cost.

A loop of its own instead of `model.generate`, which takes sampling and penalties from the checkpoint's generation
settings and knows nothing of rows that stand for no token.
"""

import inspect
import time
from collections.abc import Iterator, Sequence
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
    begun = time.perf_counter()
    ids = _decode(model, start, room, tokenizer.size, _ends(model, tokenizer))
    return _finished(model, tokenizer, prompt, ids, time.perf_counter() - begun, room == max_tokens)


def _finished(
    model: Any, tokenizer: TokenizerFile, prompt: str, ids: list[int], seconds: float, whole: bool
) -> Continuation:
    """A continuation of generated ids; `whole`: there was room for as many tokens as asked for."""
    ended = bool(ids) and ids[-1] in _ends(model, tokenizer)
    kept = ids[:-1] if ended else ids
    size = sum(len(tokenizer.token_bytes(number)) for number in kept)
    reason: Literal["end", "length", "context"] = "end" if ended else "length" if whole else "context"
    return Continuation(prompt, tokenizer.decode(kept), kept, size, len(ids), seconds, reason)


def continue_together(
    model: Any, tokenizer: TokenizerFile, prompts: Sequence[str], *, max_tokens: int, batch: int = 8
) -> Iterator[Continuation]:
    """The same for many prompts, up to `batch` at a time, in the order of the prompts; batches of like length.

    Prompts are padded on the left and told by a mask. `seconds` is each one's share of its batch's time, so that bytes
    by seconds is the throughput at that batch size. Rounding may differ from one prompt at a time, and with it, where
    two tokens are nearly as probable, the text.
    """
    starts = [tokenizer.prefix_ids() + ids or context_ids(tokenizer) for ids in tokenizer.encode(prompts)]
    order = sorted(range(len(prompts)), key=lambda place: len(starts[place]))
    done: dict[int, Continuation] = {}
    for first in range(0, len(order), batch):
        places = order[first : first + batch]
        room = min(max_tokens, context_length(model) - max(len(starts[place]) for place in places))
        begun = time.perf_counter()
        rows = _decode_together(
            model, [starts[place] for place in places], room, tokenizer.size, _ends(model, tokenizer)
        )
        seconds = (time.perf_counter() - begun) / len(places)
        for place, ids in zip(places, rows, strict=True):
            done[place] = _finished(model, tokenizer, prompts[place], ids, seconds, room == max_tokens)
    yield from (done[place] for place in range(len(prompts)))


@torch.inference_mode()
def _decode_together(
    model: Any, starts: Sequence[list[int]], room: int, size: int, ends: frozenset[int]
) -> list[list[int]]:
    width = max(map(len, starts))
    given = torch.tensor([[0] * (width - len(start)) + start for start in starts], device=model.device)
    mask = torch.tensor([[0] * (width - len(start)) + [1] * len(start) for start in starts], device=model.device)
    places = (mask.cumsum(1) - 1).clamp_min(0)
    # Models without learned or rotary positions take none.
    takes_places = "position_ids" in inspect.signature(model.forward).parameters
    cache, rows = None, [[] for _ in starts]
    for _ in range(max(room, 0)):
        where = {"position_ids": places} if takes_places else {}
        output = model(input_ids=given, attention_mask=mask, past_key_values=cache, use_cache=True, **where)
        chosen = output.logits[:, -1, :size].argmax(1)
        for row, number in zip(rows, chosen.tolist(), strict=True):
            if not (row and row[-1] in ends):
                row.append(number)
        if all(row[-1] in ends for row in rows):
            break
        cache, given = output.past_key_values, chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(starts), 1)], 1)
        places = places[:, -1:] + 1
    return rows


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


def _ends(model: Any, tokenizer: TokenizerFile) -> frozenset[int]:
    """Ids that end a text, as the tokenizer and the model's settings name them."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(number for number in [tokenizer.eos_id, *several] if number is not None)
