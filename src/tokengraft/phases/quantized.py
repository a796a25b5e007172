"""Blocks in 4 bits while adapters learn; the weights themselves wait in host memory and come back as they were."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tokengraft.errors import DeviceError


def require_bitsandbytes() -> Any:
    """The module bitsandbytes.

    Raises:
        DeviceError: it is not installed.
    """
    try:
        import bitsandbytes  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise DeviceError(
            found="quantize: true, and no bitsandbytes", expected="bitsandbytes", do="pip install bitsandbytes"
        ) from error
    return bitsandbytes


@contextmanager
def quantized(model: Any) -> Iterator[None]:
    """In the block, every linear layer under an adapter is NF4 (Dettmers et al. 2023, arXiv:2305.14314).

    The adapter is thereby trained on rounded weights and later folded into the exact ones.
    """
    library = require_bitsandbytes()
    layers = [module for module in model.modules() if hasattr(module, "lora_A") and hasattr(module, "base_layer")]
    kept: list[tuple[Any, nn.Module, torch.device]] = []
    for layer in layers:
        plain = layer.base_layer
        if not isinstance(plain, nn.Linear):
            continue
        device = plain.weight.device
        kept.append((layer, plain, device))
        layer.base_layer = _in_4_bits(library, plain)
        plain.to("cpu")
    try:
        yield
    finally:
        for layer, plain, device in kept:
            layer.base_layer = plain.to(device)


def _in_4_bits(library: Any, plain: nn.Linear) -> nn.Module:
    compute = plain.weight.dtype
    layer = library.nn.Linear4bit(
        plain.in_features, plain.out_features, bias=plain.bias is not None, compute_dtype=compute, quant_type="nf4"
    )
    layer.weight = library.nn.Params4bit(plain.weight.detach().clone(), requires_grad=False, quant_type="nf4")
    if plain.bias is not None:
        layer.bias = nn.Parameter(plain.bias.detach().clone(), requires_grad=False)
    return layer.to(plain.weight.device)
