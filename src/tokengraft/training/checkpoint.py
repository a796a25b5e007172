"""One safetensors file a checkpoint: parameters, optimiser moments and the step, whole or absent.

Order of batches and whatever is drawn in a step depend on the seed and the step's number, so they need no place in it.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from tokengraft import atomic
from tokengraft.errors import RunFolderError
from tokengraft.training import processes


def save_checkpoint(
    path: Path, module: nn.Module, optimizers: Sequence[Optimizer], step: int, *, identity: str = "", keep: int = 1
) -> None:
    """Writes everything that the next start needs, in place of the last checkpoint.

    `keep` above 1 leaves that many, the earlier ones as `NAME-STEP.safetensors`; `identity` says what it belongs to.
    Of several processes the first one writes.
    """
    tensors = {f"parameters.{name}": value.detach().contiguous() for name, value in module.named_parameters()}
    for index, optimizer in enumerate(optimizers):
        for position, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimizers.{index}.{position}.{name}"] = value.detach().contiguous().cpu()
    metadata = {"step": str(step), "identity": identity}
    if processes.is_main():
        if keep > 1 and path.exists():
            _keep_earlier(path, keep)
        atomic.write_with(path, lambda temporary: save_file(tensors, temporary, metadata))
    processes.wait()


def checkpoint_step(path: Path) -> int:
    """The step that a checkpoint was written after."""
    with safe_open(path, framework="pt") as file:
        return int(file.metadata()["step"])


@torch.no_grad()
def load_checkpoint(path: Path, module: nn.Module, optimizers: Sequence[Optimizer], identity: str = "") -> int:
    """The step that the checkpoint was written after; 0, and nothing changed, where there is no checkpoint.

    Raises:
        RunFolderError: the file cannot be read, or belongs to another model, tokenizer or phase.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            step = int(metadata["step"])
            _check_identity(metadata.get("identity", ""), identity)
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


def _check_identity(found: str, wanted: str) -> None:
    if found and wanted and found != wanted:
        raise ValueError(f"it belongs to {found}, and this is {wanted}")


def _keep_earlier(path: Path, keep: int) -> None:
    earlier = path.with_name(f"{path.stem}-{checkpoint_step(path)}{path.suffix}")
    earlier.unlink(missing_ok=True)
    # A second name for the same bytes: at no moment is there no checkpoint.
    os.link(path, earlier)
    others = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"), key=checkpoint_step)
    for old in others[: -(keep - 1)]:
        old.unlink()


def remove_checkpoints(path: Path) -> None:
    """Removes a checkpoint and the earlier ones beside it."""
    for file in [path, *path.parent.glob(f"{path.stem}-*{path.suffix}")]:
        file.unlink(missing_ok=True)


def _moments(tensors: Mapping[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor]]:
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix):
            position, _, moment = name.removeprefix(prefix).partition(".")
            states.setdefault(int(position), {})[moment] = value
    return states
