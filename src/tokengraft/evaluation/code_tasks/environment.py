"""The grader's interpreter: what it is, which libraries it has, and which the problems need that it lacks."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.data import Task

ASK = r"""
import importlib.util, json, platform, sys
try:
    from importlib.metadata import distributions
except ImportError:
    def distributions():
        return ()
def there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except Exception:
        return False
def tops(distribution):
    listed = (distribution.read_text("top_level.txt") or "").split()
    if listed:
        return set(listed)
    # Lines as they are: a path object for each installed file, as packages_distributions() makes, takes seconds.
    heads = [line.split(",", 1)[0].split("/", 1) for line in (distribution.read_text("RECORD") or "").splitlines()]
    return {head[0] if len(head) > 1 else head[0].split(".", 1)[0] for head in heads}
names = set(json.loads(sys.stdin.read()))
missing = sorted(name for name in names if not there(name))
versions = {}
for distribution in distributions():
    if not names.isdisjoint(tops(distribution)):
        versions.setdefault(distribution.metadata["Name"], distribution.version)
print(json.dumps({"python": platform.python_version(), "platform": platform.platform(),
                  "versions": dict(sorted(versions.items())), "missing": missing}))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where programs are run."""

    python: str
    """Version of the interpreter."""
    platform: str
    versions: dict[str, str]
    """Of the distributions that the problems use."""
    missing: tuple[str, ...]
    """Modules that problems use and that are not installed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for files."""
        return {**asdict(self), "missing": list(self.missing)}


def environment(python: str | None, modules: Iterable[str]) -> Environment:
    """The interpreter as it describes itself; modules are looked for, not imported.

    Raises:
        ConfigError: there is no such interpreter, or it does not run.
    """
    command = [python or sys.executable, "-s", "-c", ASK]
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user named
            command, input=json.dumps(sorted(set(modules))), capture_output=True, text=True, check=True, timeout=120
        )
        told = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        complaint = (getattr(error, "stderr", "") or str(error)).strip().rpartition("\n")[2]
        raise ConfigError(
            found=f"the interpreter {python}: {complaint}",
            expected="a Python from 3.8 on",
            do="give the path of another one with --python",
        ) from error
    return Environment(told["python"], told["platform"], told["versions"], tuple(told["missing"]))


def modules_of(task: Task) -> dict[str, set[str]]:
    """For each problem the modules, outside the standard library, that its own sources import."""
    return {
        problem.task_id: {module for source in task.format.sources(problem.record) for module in imported(source)}
        - _standard()
        for problem in task.problems
    }


@cache
def _standard() -> frozenset[str]:
    return frozenset(sys.stdlib_module_names)


def imported(source: str) -> set[str]:
    r"""Names of the modules that a source imports anywhere, the first part alone; none where it does not parse.

    >>> sorted(imported("import os.path\ndef f():\n    from numpy.linalg import norm"))
    ['numpy', 'os']
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
