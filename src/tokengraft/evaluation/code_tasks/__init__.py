"""Benchmarks of code: does what the model writes run, and is it right?

Problems from a file or the hub (`data`, one kind a file in `formats/`), answers by a backend (`generation`, one a file
in `backends/`), programs run under limits (`runner/`), and every step written down as it happens (`ledger`). Grading
needs no torch. Programs that a model wrote are run only where the user said so; the runner is no sandbox.
"""

from tokengraft.evaluation.code_tasks.results import CodeTaskResults, TaskResult
from tokengraft.evaluation.code_tasks.run import check_references, grade_code_tasks, run_code_tasks
from tokengraft.evaluation.code_tasks.settings import CodeTasksConfig

__all__ = [
    "CodeTaskResults",
    "CodeTasksConfig",
    "TaskResult",
    "check_references",
    "grade_code_tasks",
    "run_code_tasks",
]
