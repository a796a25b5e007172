"""Peak memory of one piece of work, measured in a process of its own.

In this process earlier work has left its high-water mark, and what it freed would be used again unseen. A new process
is asked instead. Its `ru_maxrss` will not do on Linux: a child begins with the maximum of the process that it was
forked from (here: the whole pipeline). `VmHWM` belongs to the new address space, and can be set back before the work.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from tokengraft.errors import DeviceError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What `clear_refs` wants to hear for it (Linux, proc(5))."""


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Bytes in use before the work (imports, model), and the most that were in use during it."""

    baseline: int
    peak: int

    @property
    def step(self) -> int:
        """What the work itself took at its peak."""
        return self.peak - self.baseline


def peak_memory(function: str, arguments: Mapping[str, Any], *, device: str = "cpu") -> PeakMemory:
    """Memory of the work that `function` prepares, on the host, or of `device` if that is an accelerator.

    `function` is "module:name" of a function that takes `arguments` (values that JSON can carry), makes everything
    ready and returns the work as a callable without arguments. It runs in a fresh interpreter, on the same modules.

    Raises:
        DeviceError: the process did not come to its end (out of memory, for instance), or this system tells no peak.

    >>> peak_memory("tokengraft.evaluation.memory:zeros", {"size": 50_000_000}).step > 45_000_000
    True
    """
    call = json.dumps({"function": function, "arguments": dict(arguments), "device": device})
    program = "import sys; from tokengraft.evaluation.memory import answer; answer(sys.argv[1])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program, call], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DeviceError(
            found=f"the measured process ended with {done.returncode}: {done.stderr.strip()[-300:] or 'no message'}",
            expected="an end of its work",
            do="free some memory, or measure a smaller batch",
        )
    return PeakMemory(**json.loads(done.stdout.splitlines()[-1]))


def zeros(size: int) -> Any:
    """Work that fills `size` bytes: the yardstick for what this module reports."""
    return lambda: b"\1" * size


def answer(call: str) -> None:
    """Does what `peak_memory` asks, in the fresh process, and prints the result as its last line."""
    wanted = json.loads(call)
    module, _, name = wanted["function"].partition(":")
    work = getattr(importlib.import_module(module), name)(**wanted["arguments"])
    meter = meter_of(wanted["device"])
    gc.collect()
    baseline = meter.begin()
    result = work()
    peak = meter.peak()
    del result
    sys.stdout.write("\n" + json.dumps(asdict(PeakMemory(baseline, peak))) + "\n")


class Meter(Protocol):
    """Peak memory of this process, or of an accelerator, from a moment on."""

    def begin(self) -> int:
        """Bytes in use now; the peak is counted from here."""
        ...

    def peak(self) -> int:
        """The most that were in use since."""
        ...


def meter_of(device: str) -> Meter:
    """The meter for work on a device."""
    return _HostMeter() if device == "cpu" else _AcceleratorMeter(device)


class _HostMeter:
    """Resident memory. Where the mark cannot be set back, the baseline is the mark so far: `step` is a lower bound."""

    def begin(self) -> int:
        try:
            CLEAR.write_text(RESET_PEAK)
        except OSError:
            return self.peak()
        return _status("VmRSS")

    def peak(self) -> int:
        return _status("VmHWM") if STATUS.exists() else _maximum_so_far()


def _status(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def _maximum_so_far() -> int:
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError as error:
        raise DeviceError(
            found=f"no peak memory on {sys.platform}", expected="Linux, macOS or an accelerator", do="measure there"
        ) from error
    mark = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return mark if sys.platform == "darwin" else mark * 1024


class _AcceleratorMeter:
    """Memory that torch has allocated on a device; the driver's own share is not in it."""

    def __init__(self, device: str) -> None:
        import torch  # noqa: PLC0415 - host measurements do without

        self._memory = torch.accelerator.memory
        self._synchronize = torch.accelerator.synchronize
        self._device = torch.device(device)

    def begin(self) -> int:
        self._synchronize(self._device)
        self._memory.reset_peak_memory_stats(self._device)
        return self._memory.memory_allocated(self._device)

    def peak(self) -> int:
        self._synchronize(self._device)
        return self._memory.max_memory_allocated(self._device)
