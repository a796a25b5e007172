"""How long the package and the program take to start.

    python benchmarks/startup.py > benchmarks/startup.HARDWARE.DATE.md

Each line is a fresh process, run several times; the least counts, since other work on the machine only adds. The time
of `python -c pass` is taken off the import (limit 50 ms), and not off `--help` (limit half a second).
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import time

from tokengraft.artifacts import hardware
from tokengraft.cli import COMMANDS

IMPORT_LIMIT, HELP_LIMIT = 0.05, 0.5


def least(arguments: list[str], times: int) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of the quickest of so many processes, each for itself."""
    walls, cpus = [], []
    for _ in range(times):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - begun)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(walls), min(cpus)


def main() -> None:
    """Prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    empty = least(["-c", "pass"], times)
    package = least(["-c", "import tokengraft"], times)
    program = least(["-m", "tokengraft", "--help"], times)
    commands = {name: least(["-m", "tokengraft", name, "--help"], max(2, times // 3)) for name in COMMANDS}
    slowest = max(commands, key=lambda name: commands[name][1])
    print("# Starting\n\nMade by `benchmarks/startup.py`.\n")
    print(f"{hardware()['cpu']}, Python {platform.python_version()}; least of {times} fresh processes.")
    print(
        f"Load average of the last minute {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores: where the clock is above "
        "the CPU's time, other work was in the way.\n"
    )
    print("| what | wall, ms | CPU, ms | limit, ms |\n|---|---|---|---|")
    print(f"| `python -c pass` | {1e3 * empty[0]:.0f} | {1e3 * empty[1]:.0f} | |")
    own = [1e3 * (package[kind] - empty[kind]) for kind in (0, 1)]
    print(f"| `import tokengraft`, beyond that | {own[0]:.0f} | {own[1]:.0f} | {1e3 * IMPORT_LIMIT:.0f} |")
    print(f"| `tokengraft --help` | {1e3 * program[0]:.0f} | {1e3 * program[1]:.0f} | {1e3 * HELP_LIMIT:.0f} |")
    wall, cpu = commands[slowest]
    print(
        f"| `tokengraft {slowest} --help`, the slowest of {len(commands)} | {1e3 * wall:.0f} | {1e3 * cpu:.0f} | "
        f"{1e3 * HELP_LIMIT:.0f} |"
    )


if __name__ == "__main__":
    main()
