"""Loading a model, after everything that can be known about it beforehand."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tokengraft.errors import DeviceError, ModelError
from tokengraft.model.tables import find_tables, refuse_missing_head

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_model(name: str) -> None:
    """Returns where `name` is a model folder, or a name that may be one on the hub.

    Raises:
        ModelError: the folder is missing, is no Hugging Face model, or holds no safetensors weights.
    """
    path = Path(name)
    if not path.exists():
        if name.count("/") == 1 and not name.startswith((".", "/", "~")):
            return
        raise ModelError(
            found=f"no folder {name}", expected="a Hugging Face model folder or a hub id", do="check --model"
        )
    if not (path / "config.json").is_file():
        raise ModelError(
            found=f"{path} without config.json", expected="a Hugging Face model folder", do="check --model"
        )
    try:
        json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            found=f"{path / 'config.json'}: {error}", expected="the model's settings as JSON", do="fetch the model anew"
        ) from error
    if not list(path.glob("*.safetensors")):
        raise ModelError(
            found=f"{path} without *.safetensors",
            expected="weights in safetensors (other formats can run code when they are read)",
            do="convert the weights, for instance with model.save_pretrained(folder)",
        )


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first accelerator, else the CPU.

    Raises:
        DeviceError: this machine has no such device.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(
            found=f"device {name!r}", expected=f"one of {', '.join(_devices())}", do="choose one with --device"
        ) from error
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
    check_model(name)
    place = pick_device(device)
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=pick_dtype(dtype, place),
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            found=f"{name}: {str(error).strip().splitlines()[0]}",
            expected="a causal language model that transformers can load",
            do="check the name, and that you are online or the model is in the cache",
        ) from error
    refuse_missing_head(model, loading)
    find_tables(model)
    return model.to(place).eval().requires_grad_(False)


def stored_dtype(name: str, *, trust_remote_code: bool = False) -> torch.dtype | None:
    """The dtype in which a model keeps its weights; None where its settings do not say."""
    settings = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    return DTYPES.get(str(getattr(settings, "dtype", None)).removeprefix("torch."))


def context_length(model: Any, default: int = 1024) -> int:
    """Longest sequence in tokens that the model has positions for, as its settings say."""
    config = model.config.get_text_config()
    return getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or default


def _devices() -> list[str]:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu", *([f"{accelerator.type}"] if accelerator else [])]
