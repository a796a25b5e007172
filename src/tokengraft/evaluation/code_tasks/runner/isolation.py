"""What this machine's kernel lets us take away from a program: tried once, with the very supervisor that runs it."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SUPERVISOR = Path(__file__).with_name("supervisor.py")
QUICK = ("-I", "-S", "-B")
"""Flags of the supervisor's interpreter: the standard library alone, 10 ms to start."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """Which walls stand, and why others do not."""

    network: bool
    """Programs have a network of their own with nothing in it but themselves."""
    processes: bool
    """Programs see only their own processes, and the kernel ends all of them with the first."""
    reason: str = ""
    """What the kernel said where it refused."""

    def described(self) -> str:
        """One sentence for people.

        >>> Isolation(network=True, processes=True).described()
        'programs have no network and processes of their own'
        """
        network = "no network" if self.network else "THE NETWORK"
        processes = "processes of their own" if self.processes else "the user's processes in sight"
        return f"programs have {network} and {processes}" + (f" ({self.reason})" if self.reason else "")


@cache
def isolation() -> Isolation:
    """The most that this machine allows."""
    reason = f"namespaces are Linux's, this is {sys.platform}"
    for network, processes in ((True, True), (True, False), (False, False)):
        wanted = Isolation(network=network, processes=processes, reason="" if network and processes else reason)
        if sys.platform != "linux" and network:
            continue
        refusal = _refusal(wanted)
        if refusal is None:
            return wanted
        reason = refusal
    return Isolation(network=False, processes=False, reason=reason)


def _refusal(wanted: Isolation) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, object] = {
            "isolation": {"network": wanted.network, "processes": wanted.processes},
            "command": [sys.executable, *QUICK, "-c", "pass"],
            "environment": {}, "folder": folder, "limits": {}, "processes": 8, "seconds": 30.0,
        }  # fmt: skip
        answer = json.loads(supervised(settings) or '{"ended": "defect", "message": "no answer"}')
    if answer["ended"] == "exit" and answer["code"] == 0:
        return None
    return str(answer.get("message", f"the trial ended with {answer}"))


def supervised(settings: dict[str, object]) -> str:
    """What the supervisor prints for the settings."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own file
        [sys.executable, *QUICK, str(SUPERVISOR), json.dumps(settings)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    return done.stdout.strip()
