"""Loading a model, after everything that can be known about it beforehand."""

import os
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from tokengraft.errors import DeviceError
from tokengraft.model.checks import cannot_load, check_model, context_of
from tokengraft.model.tables import find_tables, refuse_missing_head

__all__ = [
    "DTYPES",
    "check_model",
    "context_length",
    "load_model",
    "pick_device",
    "pick_dtype",
]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first accelerator, else the CPU.

    Raises:
        DeviceError: this machine has no such device.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    refusal = DeviceError(
        found=f"device {name!r}", expected=f"one of {', '.join(_devices())}", do="choose one with --device"
    )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise refusal from error
    if device.type == "meta":  # tensors there have shapes and no values
        raise refusal
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype | str:
    """The dtype of that name; `auto` is float32 on a CPU and the checkpoint's own elsewhere.

    Raises:
        DeviceError: there is no such dtype, or float16 is asked for on a CPU.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    if name not in DTYPES:
        raise DeviceError(found=f"dtype {name!r}", expected=f"auto, {', '.join(DTYPES)}", do="change dtype")
    if name == "float16" and device.type == "cpu":
        raise DeviceError(found="float16 on a CPU", expected="float32 or bfloat16", do="change dtype")
    return DTYPES[name]


def load_model(name: str, *, dtype: str = "auto", device: str = "auto", trust_remote_code: bool = False) -> Any:
    """A causal LM in evaluation mode, nothing of which requires a gradient.

    Raises:
        ModelError: it cannot be loaded, lacks weights, or has no tables that can be grown.
        DeviceError: the device or dtype is not to be had here.
    """
    name = os.path.expanduser(name)
    check_model(name)
    place = pick_device(device)
    kind = pick_dtype(dtype, place)
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=kind,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # from broken weights to a library for quantised ones that is missing
        raise cannot_load(name, error) from error
    refuse_missing_head(model, loading)
    find_tables(model)
    return model.to(place).eval().requires_grad_(False)


def context_length(model: Any, default: int = 1024) -> int:
    """Longest sequence in tokens that the model has positions for, as its settings say."""
    return context_of(model.config) or default


def _devices() -> list[str]:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu", *([f"{accelerator.type}"] if accelerator else [])]
