"""Where the time of steps goes, and how much memory they hold: `--profile`.

Code says what it is doing (`with part("teacher")`); without a profile that costs a look at one variable.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

PARTS = ("teacher", "cache", "student", "losses", "backward", "optimiser")
"""In the order in which a step goes through them; what is not in one of them is the rest."""


@dataclass(slots=True)
class Spent:
    """What one part took, over all steps."""

    seconds: float = 0.0
    calls: int = 0
    held: int = 0
    """Largest number of bytes in use at the end of the part."""


@dataclass(slots=True)
class Profile:
    """Time and memory of each part of the steps."""

    device: torch.device
    parts: dict[str, Spent] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0

    def measure(self, name: str) -> AbstractContextManager[None]:
        """A stretch of work that belongs to a part."""
        return self._measured(self.parts.setdefault(name, Spent()))

    @contextmanager
    def step(self) -> Iterator[None]:
        """One whole step."""
        begun = self._now()
        yield
        self.seconds += self._now() - begun
        self.steps += 1

    @contextmanager
    def _measured(self, spent: Spent) -> Iterator[None]:
        begun = self._now()
        yield
        spent.seconds += self._now() - begun
        spent.calls += 1
        spent.held = max(spent.held, self._bytes())

    def _now(self) -> float:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)  # work on an accelerator is only handed over by a call
        return time.perf_counter()

    def _bytes(self) -> int:
        if self.device.type != "cpu":
            return int(torch.accelerator.memory.memory_allocated(self.device))
        return _resident()

    def table(self) -> list[dict[str, Any]]:
        """Rows of name, milliseconds a step, share of the step and MiB in use at its end."""
        steps, whole = max(1, self.steps), max(self.seconds, 1e-9)
        rows = [
            {
                "part": name,
                "ms_per_step": 1000 * spent.seconds / steps,
                "share": spent.seconds / whole,
                "mib": spent.held / 2**20,
            }
            for name in sorted(self.parts, key=_order)
            for spent in [self.parts[name]]
        ]
        rest = self.seconds - sum(spent.seconds for spent in self.parts.values())
        return [*rows, {"part": "rest", "ms_per_step": 1000 * rest / steps, "share": rest / whole, "mib": None}]


def _order(name: str) -> int:
    return PARTS.index(name) if name in PARTS else len(PARTS)


def _resident() -> int:
    """Bytes of this process in memory; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return 0
    import resource  # noqa: PLC0415 - Windows has none, and no /proc either

    return pages * resource.getpagesize()


_current: list[Profile] = []
"""The profile that is being taken; none or one."""


@contextmanager
def profiling(profile: Profile) -> Iterator[None]:
    """In the block `part` and `step` measure into `profile`."""
    _current.append(profile)
    try:
        yield
    finally:
        _current.pop()


def part(name: str) -> AbstractContextManager[None]:
    """A stretch of a step that has a name."""
    return _current[-1].measure(name) if _current else nullcontext()


def step() -> AbstractContextManager[None]:
    """One whole step."""
    return _current[-1].step() if _current else nullcontext()
