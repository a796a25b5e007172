"""Reference solutions first: a problem whose own reference fails here says nothing about a model."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tokengraft import atomic
from tokengraft.evaluation.code_tasks.data import Task
from tokengraft.evaluation.code_tasks.environment import Environment, modules_of
from tokengraft.evaluation.code_tasks.grading import Grader
from tokengraft.evaluation.code_tasks.ledger import Ledger

REFERENCE = -1


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Which problems are left out, by name, and why."""

    dropped: dict[str, str]
    ran: int
    """References that were run: those whose libraries are installed."""
    passed: int
    missing_modules: dict[str, int] = field(default_factory=dict)
    """Libraries that the interpreter lacks, and how many problems need each."""

    @property
    def share(self) -> float | None:
        """Share of the references that pass, of those that were run."""
        return self.passed / self.ran if self.ran else None


def clean(task: Task, grader: Grader, world: Environment, folder: Path) -> Cleaning:
    """Runs the references and writes `dropped.json`: every problem left out, with its reason and the environment.

    A problem without a reference is kept: nothing speaks against it. A library that is missing is the reason once for
    all the problems that need it; their references are not run.
    """
    needs = modules_of(task)
    lacking = {name: sorted(modules & set(world.missing)) for name, modules in needs.items()}
    dropped = {name: f"no module {', '.join(modules)}" for name, modules in lacking.items() if modules}
    references = (
        (problem.task_id, task.format.reference(problem.record))
        for problem in task.problems
        if problem.task_id not in dropped
    )
    jobs = [((name, REFERENCE), program) for name, program in references if program is not None]
    rows = grader.grade(jobs, Ledger(folder / "references.jsonl"), f"{task.name} references")
    failed = {key[0]: row for key, row in rows.items() if not row["passed"]}
    dropped |= {name: f"reference {row['status']}: {row['detail']}" for name, row in failed.items()}
    missing = Counter(module for modules in lacking.values() for module in modules)
    result = Cleaning(dropped, len(rows), len(rows) - len(failed), dict(missing.most_common()))
    _write(folder, task, result, world)
    return result


def _write(folder: Path, task: Task, result: Cleaning, world: Environment) -> None:
    atomic.write_json(
        folder / "dropped.json",
        {
            "task": task.name,
            "problems": len(task.problems),
            "references_run": result.ran,
            "references_passed": result.passed,
            "missing_modules": result.missing_modules,
            "unreadable_records": task.unreadable,
            "dropped": result.dropped,
            "environment": world.to_dict(),
        },
    )
