"""Frozen blocks spread over processes while rows, tables or adapters learn (FSDP2, Zhao et al. 2023, arXiv:2304.11277).

What learns is whole in every process and its gradients are summed as ever; of each frozen block a process holds its
share alone, and the whole for as long as it works. The blocks themselves wait in host memory and come back as they
were: nothing that is saved, folded or measured afterwards ever saw a shard.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tokengraft.phases.task import blocks_of
from tokengraft.training import processes


@contextmanager
def sharded(model: Any, *, wanted: bool) -> Iterator[None]:
    """In the block, each process holds its share of every frozen weight of the transformer blocks.

    With one process nothing changes. Every process must make as many passes as the others: see `even_passes`.

    Raises:
        ModelError: the model has no list of blocks.
    """
    if not wanted or processes.count() == 1:
        yield
        return
    from torch.distributed.device_mesh import init_device_mesh  # noqa: PLC0415 - for those who need it
    from torch.distributed.fsdp import fully_shard  # noqa: PLC0415

    _, blocks = blocks_of(model)
    mesh = init_device_mesh(model.device.type, (processes.count(),))
    device, whole = model.device, list(blocks)
    try:
        for place, block in enumerate(whole):
            learned = {parameter for parameter in block.parameters() if parameter.requires_grad}
            # A copy that shares what learns: the block itself is never changed, and so needs no way back.
            double = copy.deepcopy(block, {id(parameter): parameter for parameter in learned})
            _move(block, "cpu")
            fully_shard(double, mesh=mesh, reshard_after_forward=True, ignored_params=learned)
            blocks[place] = double
        yield
    finally:
        for place, block in enumerate(whole):
            blocks[place] = block
            _move(block, device)


def even_passes(mine: int, everyone: int) -> int:
    """How many passes of weight 0 this process must add, so that all of them make as many.

    A block is put together from all processes' shares in every pass: where one process made one pass fewer, the others
    would wait for it for ever.

    >>> even_passes(2, 2)
    0
    """
    return -(-everyone // processes.count()) - mine


def block_bytes(model: Any) -> int:
    """Bytes of the transformer blocks' frozen weights that this process holds."""
    _, blocks = blocks_of(model)
    return sum(_local(parameter) for parameter in blocks.parameters() if not parameter.requires_grad)


def _local(parameter: nn.Parameter) -> int:
    part = parameter.to_local() if hasattr(parameter, "to_local") else parameter
    return part.numel() * part.element_size()


@torch.no_grad()
def _move(block: nn.Module, device: Any) -> None:
    for parameter in block.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(device)
