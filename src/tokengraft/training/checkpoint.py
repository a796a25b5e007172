"""One safetensors file a checkpoint: parameters, optimiser moments and the step, whole or absent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from tokengraft import atomic
from tokengraft.errors import RunFolderError


def save_checkpoint(path: Path, module: nn.Module, optimizers: Sequence[Optimizer], step: int) -> None:
    """Writes everything that the next start needs, in place of the last checkpoint."""
    tensors = {f"parameters.{name}": value.detach().contiguous() for name, value in module.named_parameters()}
    for index, optimizer in enumerate(optimizers):
        for position, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimizers.{index}.{position}.{name}"] = value.detach().contiguous().cpu()
    metadata = {"step": str(step)}
    atomic.write_with(path, lambda temporary: save_file(tensors, temporary, metadata))


@torch.no_grad()
def load_checkpoint(path: Path, module: nn.Module, optimizers: Sequence[Optimizer]) -> int:
    """The step that the checkpoint was written after; 0, and nothing changed, where there is no checkpoint.

    Raises:
        RunFolderError: the file cannot be read, or belongs to rows of another shape.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            step = int(file.metadata()["step"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        values = [(parameter, tensors[f"parameters.{name}"]) for name, parameter in module.named_parameters()]
        for parameter, value in values:
            # Asked before anything is copied: `copy_` would spread one row over many.
            if value.shape != parameter.shape:
                raise ValueError(f"{tuple(value.shape)} for rows of shape {tuple(parameter.shape)}")
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise RunFolderError(
            found=f"{path} cannot be taken up: {error}",
            expected="a checkpoint of this run",
            do="delete that file to begin the phase anew",
        ) from error
    for parameter, value in values:
        parameter.copy_(value)
    for index, optimizer in enumerate(optimizers):
        state = optimizer.state_dict()
        state["state"] = _moments(tensors, f"optimizers.{index}.")
        optimizer.load_state_dict(state)
    return step


def _moments(tensors: Mapping[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor]]:
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix):
            position, _, moment = name.removeprefix(prefix).partition(".")
            states.setdefault(int(position), {})[moment] = value
    return states
