"""Blocks in 4 bits on a CPU: bitsandbytes packs them at a forward pass without gradients, and they learn no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FLAG = "support_avx512bf16_for_cpu"
"""What a `Linear4bit` asks before it packs its weight in evaluation mode."""


@contextmanager
def unpacked(model: Any) -> Iterator[None]:
    """In the block no layer packs its weight: a packed one has no gradient, and training after it would be wrong."""
    packing = [module for module in model.modules() if getattr(module, FLAG, False)]
    for module in packing:
        setattr(module, FLAG, False)
    try:
        yield
    finally:
        for module in packing:
            setattr(module, FLAG, True)


def is_packed(model: Any) -> bool:
    """Whether a pass without gradients has packed a layer already: no gradient goes through it then."""
    states = (getattr(getattr(module, "weight", None), "quant_state", None) for module in model.modules())
    return any(getattr(state, "packing_format_for_cpu", False) for state in states)
