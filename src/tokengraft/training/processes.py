"""Several processes that train one model: who does what, and how their gradients become one.

Every process makes the same batches and works on its share of each. Gradients are summed once a step, so that they are
those of one process but for the order of summation. Everything else (order, checkpoints, figures) is the same in all.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from tokengraft.errors import DeviceError

T = TypeVar("T")


def begin(device: str = "auto") -> None:
    """Joins the other processes where `torchrun` or `accelerate launch` started several; else nothing.

    Raises:
        DeviceError: the launcher asks for sharded weights, which growing and this loop do not work with.
    """
    refuse_sharding()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        from accelerate import PartialState  # noqa: PLC0415 - a second to import, for those who need it

        PartialState(cpu=device == "cpu" or not torch.accelerator.is_available())


def refuse_sharding() -> None:
    """Returns where the launcher asks for no weights that are spread over processes.

    Raises:
        DeviceError: it does; the message says what to do instead.
    """
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "?")
        raise DeviceError(
            found=f"a launch with DeepSpeed (ZeRO stage {stage})",
            expected="plain data parallelism: tables that ZeRO-3 has sharded cannot be grown (transformers#41959)",
            do="launch without DeepSpeed; or grow and save the model in one process first, and train that folder with "
            "DeepSpeed and your own loop",
        )
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        raise DeviceError(
            found="a launch with FSDP",
            expected="plain data parallelism: each process holds the whole frozen base",
            do="launch with torchrun or accelerate launch --multi_gpu and set shard: true in the phases tables, lora "
            "or trainable-tokens (distill.shard for the rows), which spreads the frozen blocks; or take lora with "
            "quantize: true",
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


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """`folder` for the first process; for every other a passing copy of it, as it stood before any of them began.

    All of them then take the same decisions about what is done already, and only the first one's files remain.
    """
    if count() == 1:
        yield folder
        return
    wait()
    with TemporaryDirectory() as place:
        copy = Path(place) / "run"
        if not is_main() and folder.is_dir():
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".*"))
        wait()
        yield folder if is_main() else copy
        wait()


def wait() -> None:
    """Returns when every process is here."""
    if count() > 1:
        distributed.barrier()


@torch.no_grad()
def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Adds up the gradients of all processes, in one message a dtype; a missing one counts as 0."""
    if count() == 1:
        return
    groups: dict[torch.dtype, list[Tensor]] = {}
    for parameter in parameters:
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
