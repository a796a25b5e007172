"""Several processes that train one model: who does what, and how their gradients become one.

Every process makes the same batches and works on its share of each. Gradients are summed once a step, so that they are
those of one process but for the order of summation. Everything else (order, checkpoints, figures) is the same in all.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from tokengraft.errors import DeviceError

T = TypeVar("T")


def begin(device: str = "auto") -> None:
    """Joins the other processes where `torchrun` or `accelerate launch` started several; else nothing.

    Raises:
        DeviceError: the launcher asks for DeepSpeed, which growing and this loop do not work with.
    """
    refuse_deepspeed()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        from accelerate import PartialState  # noqa: PLC0415 - a second to import, for those who need it

        PartialState(cpu=device == "cpu" or not torch.accelerator.is_available())


def refuse_deepspeed() -> None:
    """Returns where no DeepSpeed was asked for.

    Raises:
        DeviceError: it was; the message says what to do instead.
    """
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "?")
        raise DeviceError(
            found=f"a launch with DeepSpeed (ZeRO stage {stage})",
            expected="plain data parallelism or FSDP2: tables sharded by ZeRO-3 cannot be grown (transformers#41959)",
            do="launch without DeepSpeed, with FSDP2 where the base does not fit; or grow and save the model in one "
            "process first (tokengraft graft) and train that folder with DeepSpeed",
        )


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def share(items: Sequence[T]) -> Sequence[T]:
    """The part of a step's work that this process does.

    >>> share([1, 2, 3])
    [1, 2, 3]
    """
    return items[rank() :: count()]


def wait() -> None:
    """Returns when every process is here."""
    if count() > 1:
        distributed.barrier()


@torch.no_grad()
def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Adds up the gradients of all processes, in one message a dtype; a missing one counts as 0.

    Parameters that FSDP2 shards are left alone: their gradients are summed while they are formed.
    """
    if count() == 1:
        return
    groups: dict[torch.dtype, list[Tensor]] = {}
    for parameter in parameters:
        if is_sharded(parameter):
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        groups.setdefault(parameter.grad.dtype, []).append(parameter.grad)
    for gradients in groups.values():
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))


@torch.no_grad()
def sum_values(values: Mapping[str, Any]) -> dict[str, float]:
    """The sums of each named value over all processes."""
    if count() == 1:
        return {name: float(value) for name, value in values.items()}
    device = next((value.device for value in values.values() if isinstance(value, Tensor)), torch.device("cpu"))
    flat = torch.tensor([float(value) for value in values.values()], dtype=torch.float64, device=device)
    distributed.all_reduce(flat)
    return dict(zip(values, flat.tolist(), strict=True))


def is_sharded(tensor: Tensor) -> bool:
    """Whether FSDP2 keeps only a part of the tensor in this process."""
    return hasattr(tensor, "full_tensor")
