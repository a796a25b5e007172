"""Runs programs that a model wrote: each in a fresh process, under limits, judged by a secret written after its tests.

This is no sandbox. It keeps honest mistakes from doing harm: endless loops, floods of output, memory, files and
processes, a network that is not there. A program that means harm has the user's rights on the user's files.
"""

from tokengraft.evaluation.code_tasks.runner.isolation import Isolation, isolation
from tokengraft.evaluation.code_tasks.runner.program import Limits, Program, Verdict
from tokengraft.evaluation.code_tasks.runner.run import Runner

__all__ = ["Isolation", "Limits", "Program", "Runner", "Verdict", "isolation"]
