"""A step in passes that fit: a group of windows that does not is halved, and read again."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from tokengraft.errors import DeviceError
from tokengraft.progress import say
from tokengraft.training.windows import Window

T = TypeVar("T")

HOST = ("can't allocate memory", "not enough memory")
"""What torch's allocator for the host says; it has no error of its own."""


def halving(
    work: Callable[[Sequence[Window]], T], windows: Sequence[Window], said: set[str], *, whole: bool = False
) -> list[T]:
    """What `work` gives for the windows: once for all of them, or for halves of them where memory does not suffice.

    `said` holds what was said already: one line, not one a step. `whole` forbids halves: where blocks are spread over
    processes, one that reads twice as often would wait for the others for ever.

    Raises:
        DeviceError: a single window does not fit, or more of them where halves are forbidden.
    """
    try:
        return [work(windows)]
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        tokens = sum(len(window.teacher) for window in windows)
        if whole and len(windows) > 1:
            raise DeviceError(
                found=f"not enough memory for a pass of {tokens} base tokens, by blocks that several processes hold",
                expected="room for every pass as it is: they cannot be halved in one process alone",
                do=f"set distill.memory_gib, or distill.tokens_per_step below {tokens}",
            ) from error
        if len(windows) == 1:
            raise DeviceError(
                found=f"not enough memory for one window of {tokens} base tokens",
                expected="room for a window at a time",
                do="lower distill.max_length or distill.chunk, or set distill.gradient_checkpointing",
            ) from error
    if "halved" not in said:
        said.add("halved")
        say(f"out of memory with {tokens} base tokens in a pass: read in halves from here on where need be")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(windows) // 2
    return [*halving(work, windows[:middle], said), *halving(work, windows[middle:], said)]


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(text in str(error) for text in HOST)
