"""Before its first new token the student reads what the teacher reads: its keys and values there are the teacher's.

They are kept from the teacher's pass and set before those of the student's, which begins at its first new token. Both
passes go through transformers' attention interface: `shared` travels as a keyword down to the attention function, so
nothing global is switched between passes, and a block that is computed a second time (checkpointing) finds it again.
A cache of transformers would be dropped in silence there.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

KEYWORD = "shared_prefix"
NAMES = {"sdpa": "sdpa-shared-prefix", "eager": "eager-shared-prefix"}
"""By the model's own attention: the same one, that looks for the keyword first."""


@dataclass(slots=True)
class Recorded:
    """Keys and values of a pass: those of the first `width` positions, by attention module."""

    width: int
    states: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def attend(self, inner: Callable[..., Any], module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any,
               **others: Any) -> Any:  # fmt: skip
        """The model's own attention; keys and values are kept on the way."""
        # Without a copy the whole pass' keys would stay in memory behind the part that is kept.
        kept = key.detach()[:, :, : self.width].clone(), value.detach()[:, :, : self.width].clone()
        self.states[id(module)] = kept
        return inner(module, query, key, value, mask, **others)


@dataclass(frozen=True, slots=True)
class Continued:
    """A pass that goes on behind recorded positions: `first` of them in each row, the rest of the width is padding."""

    recorded: Recorded
    mask: Float[Tensor, "rows 1 width prefix_and_width"] | None
    """0 where a position is seen, else the lowest number. One for all blocks: each keeps its mask for the backward
    pass, and would make a copy of one that says yes and no. None: all recorded positions and its own up to itself."""

    @classmethod
    def after(cls, recorded: Recorded, first: Int[Tensor, " rows"], width: int, model: Any) -> "Continued":
        """A pass of `width` positions in rows that begin at position `first`; to be called within `sharing`."""
        attention = model.config.get_text_config()._attn_implementation
        # A kernel that is told "causal" leaves half of the products out; one with a mask makes them all.
        if attention == NAMES["sdpa"] and recorded.width < width and bool((first == recorded.width).all()):
            return cls(recorded, None)
        return cls(recorded, cls._seen(recorded, first, width, model.dtype))

    @staticmethod
    def _seen(recorded: Recorded, first: Tensor, width: int, dtype: torch.dtype) -> Tensor:
        prefix = torch.arange(recorded.width, device=first.device)[None] < first[:, None]
        causal = torch.ones(width, width, dtype=torch.bool, device=first.device).tril()
        parts = [prefix[:, None].expand(-1, width, -1), causal[None].expand(len(first), -1, -1)]
        seen = torch.cat(parts, 2)[:, None]
        mask = torch.zeros(seen.shape, dtype=dtype, device=first.device)
        return mask.masked_fill_(~seen, torch.finfo(dtype).min)

    def attend(self, inner: Callable[..., Any], module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any,
               **others: Any) -> Any:  # fmt: skip
        """The model's own attention over the recorded positions and its own; the mask of the model is not asked."""
        del mask
        kept_keys, kept_values = self.recorded.states[id(module)]
        keys, values = torch.cat([kept_keys, key], 2), torch.cat([kept_values, value], 2)
        if self.mask is not None:
            return inner(module, query, keys, values, self.mask, **others)
        # Queries of the recorded positions are made up: as many queries as keys is what "causal" means.
        width = self.recorded.width
        found, *rest = inner(module, functional.pad(query, (0, 0, width, 0)), keys, values, None, **others)
        return found[:, width:], *rest


def _attention(own: str) -> Callable[..., Any]:
    def attention(
        module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, *, shared_prefix: Any = None, **others: Any
    ) -> Any:
        inner = ALL_ATTENTION_FUNCTIONS[own] if own in ALL_ATTENTION_FUNCTIONS else _eager(module)
        if shared_prefix is None:
            return inner(module, query, key, value, mask, **others)
        return shared_prefix.attend(inner, module, query, key, value, mask, **others)

    return attention


def _eager(module: Any) -> Callable[..., Any]:
    return sys.modules[type(module).__module__].eager_attention_forward


for _own, _mask in {"sdpa": sdpa_mask, "eager": eager_mask}.items():
    AttentionInterface.register(NAMES[_own], _attention(_own))
    AttentionMaskInterface.register(NAMES[_own], _mask)


@contextmanager
def sharing(model: Any) -> Iterator[None]:
    """In the block passes of the model can share a prefix; they are what they were without the keyword."""
    config = model.config.get_text_config()
    own = config._attn_implementation
    config._attn_implementation = NAMES.get(own, own)
    try:
        yield
    finally:
        config._attn_implementation = own


def positions_after(first: Int[Tensor, " rows"], width: int, longest: int) -> Int[Tensor, "rows width"]:
    """Places in the text of a pass that begins at `first`. Those of padding stay below `longest`: GPT-2 has a table."""
    return (first[:, None] + torch.arange(width, device=first.device)).clamp_max(longest - 1)


@torch.no_grad()
def obstacle(model: Any, longest: int) -> str:
    """Why passes of this model cannot share a prefix; empty: they can. To be asked within `sharing`.

    It is tried: two rows of a few ids are read whole, and behind one and three recorded positions.
    """
    config = model.config.get_text_config()
    if config._attn_implementation not in NAMES.values():
        return f"attention {config._attn_implementation}: sdpa or eager is needed"
    window = getattr(config, "sliding_window", None)
    if window and window < longest and getattr(config, "use_sliding_window", True):
        return f"attention reaches back {window} tokens, and windows have up to {longest}"
    vectors = model.get_input_embeddings()(torch.arange(10, device=model.device).remainder(config.vocab_size)[None])
    rows = torch.cat([vectors[:, :5], vectors[:, 5:]])
    try:
        return _difference(model, rows)
    except (TypeError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        return f"{type(model).__name__} does not take up recorded keys ({type(error).__name__})"


def _difference(model: Any, rows: Float[Tensor, "two five d"]) -> str:
    first = torch.tensor([1, 3], device=rows.device)
    recorded = Recorded(3)
    whole = model.base_model(inputs_embeds=rows, use_cache=False, **{KEYWORD: recorded}).last_hidden_state
    behind = torch.stack([rows[0, 1:], torch.cat([rows[1, 3:], rows[1, :2]])])
    continued = Continued.after(recorded, first, 4, model)
    places = positions_after(first, 4, 5)
    part = model.base_model(
        inputs_embeds=behind, position_ids=places, use_cache=False, **{KEYWORD: continued}
    ).last_hidden_state
    ours, theirs = torch.cat([part[0], part[1, :2]]).float(), torch.cat([whole[0, 1:], whole[1, 3:]]).float()
    # Float32 differs by 1e-6; without the prefix even a model of random weights differs by more than 1e-2.
    tolerance = 1e-3 if rows.dtype == torch.float32 else 6e-2
    difference = float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-9))
    return "" if difference <= tolerance else f"states behind recorded positions differ by {difference:.2g}"
