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


def halving(work: Callable[[Sequence[Window]], T], windows: Sequence[Window], said: set[str]) -> list[T]:
    """What `work` gives for the windows: once for all of them, or for halves of them where memory does not suffice.

    `said` holds what was said already: one line, not one a step.

    Raises:
        DeviceError: a single window does not fit.
    """
    try:
        return [work(windows)]
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        tokens = sum(len(window.teacher) for window in windows)
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
