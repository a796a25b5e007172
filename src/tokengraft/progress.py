"""Progress bars with rates and time left, on standard error; silent where nobody watches."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bar(total: int | None, what: str, unit: str, *, initial: int = 0, scale: bool = False) -> "tqdm[Any]":
    """A bar to be advanced by hand; `scale` writes 1.2M for 1 200 000."""
    return tqdm(total=total, desc=f"{what:<24}", unit=unit, initial=initial, unit_scale=scale, dynamic_ncols=True)


def watch(items: Iterable[T], what: str, unit: str, *, total: int | None = None) -> Iterator[T]:
    """The items as they are, with a bar that moves by one for each."""
    yield from tqdm(items, desc=f"{what:<24}", unit=unit, total=total, dynamic_ncols=True)


@contextmanager
def task(what: str) -> Iterator[None]:
    """A line that says what is being done and, at its end, how long it took."""
    with tqdm(total=1, desc=f"{what:<24}", bar_format="{desc} {elapsed}", dynamic_ncols=True) as line:
        yield
        line.update()
