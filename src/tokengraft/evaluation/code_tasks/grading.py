"""Programs to verdicts, several at a time, each written down as it comes."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tokengraft.errors import CheckError
from tokengraft.evaluation.code_tasks.ledger import Ledger
from tokengraft.evaluation.code_tasks.runner import Program, Runner, Verdict
from tokengraft.progress import bar

Key = tuple[str, int]
"""A problem's name and the number of the sample; references are sample −1."""


@dataclass(frozen=True, slots=True)
class Grader:
    """A runner, the time that it allows, and what makes its verdicts those of one environment."""

    runner: Runner
    seconds: float | None = None
    environment: str = ""
    """Hash of interpreter, libraries and limits: in another one programs are run again."""

    def grade(self, jobs: Iterable[tuple[Key, Program]], ledger: Ledger, what: str) -> dict[Key, dict[str, Any]]:
        """Rows of verdicts by key: those that the ledger already has for the same program, and new ones.

        Raises:
            CheckError: programs cannot be run at all on this machine.
        """
        wanted = {key: self._timed(program) for key, program in jobs}
        marks = {key: self._mark(program) for key, program in wanted.items()}
        known = {key: row for key, row in _by_key(ledger.rows()).items() if marks.get(key) == row["program"]}
        left = [(key, program) for key, program in wanted.items() if key not in known]
        with bar(len(wanted), what, "program", initial=len(known)) as progress:
            for key, verdict in self.runner.run_all(left):
                known[key] = _row(key, self._checked(verdict), marks[key])
                ledger.add([known[key]])
                progress.update()
        return known

    def _checked(self, verdict: Verdict) -> Verdict:
        """The verdict; where the program could not be judged, it is to blame only if another one can be.

        Raises:
            CheckError: no program can be started on this machine, which must not count as the model's failure.
        """
        if verdict.status != "defect":
            return verdict
        if self.runner.run(Program("", seconds=60.0)).passed:
            return replace(verdict, status="killed")
        raise CheckError(
            found=f"a program that could not be started: {verdict.detail}",
            expected="a machine on which processes can be started",
            do="put it right and start the same command again: verdicts so far are kept",
        )

    def _timed(self, program: Program) -> Program:
        return program if self.seconds is None else replace(program, seconds=self.seconds)

    def _mark(self, program: Program) -> str:
        parts = (self.environment.encode(), program.mode.encode(), str(program.seconds).encode(), program.encoded())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _row(key: Key, verdict: Verdict, mark: str) -> dict[str, Any]:
    return {
        "task_id": key[0],
        "sample": key[1],
        "passed": verdict.passed,
        "status": verdict.status,
        "detail": verdict.detail,
        "seconds": round(verdict.seconds, 3),
        "program": mark,
    }


def _by_key(rows: Iterable[Mapping[str, Any]]) -> dict[Key, dict[str, Any]]:
    return {(row["task_id"], row["sample"]): dict(row) for row in rows}
