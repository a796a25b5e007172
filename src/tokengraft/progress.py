"""Progress bars with rates and time left, on standard error; where that is no terminal, a line now and then."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

TERMINAL_SECONDS, LOG_SECONDS = 0.1, 10.0
"""Least time between two drawings of a bar."""


def bar(total: int | None, what: str, unit: str, *, initial: int = 0) -> "tqdm[Any]":
    """A bar to be advanced by hand."""
    return tqdm(total=total, desc=f"{what:<24}", unit=unit, initial=initial, **_manners())


def watch(items: Iterable[T], what: str, unit: str, *, total: int | None = None) -> Iterator[T]:
    """The items as they are, with a bar that moves by one for each."""
    yield from tqdm(items, desc=f"{what:<24}", unit=unit, total=total, **_manners())


def say(text: str) -> None:
    """A line on standard error, above any bar."""
    if not _follows():
        tqdm.write(text, file=sys.stderr)


@contextmanager
def task(what: str) -> Iterator[None]:
    """A line that says what is being done and, at its end, how long it took."""
    with tqdm(total=1, desc=f"{what:<24}", bar_format="{desc} {elapsed}", **_manners()) as line:
        yield
        line.update()


def _follows() -> bool:
    """Whether another process of the same run speaks for this one (`torchrun` and `accelerate launch` set it)."""
    return os.environ.get("RANK", "0") != "0"


def _manners() -> dict[str, Any]:
    return {
        "disable": _follows(),
        "dynamic_ncols": True,
        "mininterval": TERMINAL_SECONDS if sys.stderr.isatty() else LOG_SECONDS,
    }
