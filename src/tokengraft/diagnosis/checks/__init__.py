"""The checks: one a file, one signature, found by the command, the docs table and the contract tests."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from tokengraft.diagnosis.case import NEEDS, Case
from tokengraft.diagnosis.finding import Finding
from tokengraft.registry import Registry

Look: TypeAlias = Callable[[Case], Iterable[Finding]]
Repair: TypeAlias = Callable[[Case, Path], str | None]
"""Changes files of a copied model folder and says what it did; None where there was nothing to change."""


class Check:
    """One registered check: its code, what it needs, and the repair that is safe on a copy, if there is one."""

    def __init__(self, code: str, look: Look, needs: tuple[str, ...], symptom: str) -> None:
        self.code, self.needs, self.symptom = code, needs, symptom
        self._look = look
        self.repair: Repair | None = None
        self.__doc__ = look.__doc__

    def __call__(self, case: Case) -> Iterator[Finding]:
        """Findings about `case`, with the check's code."""
        for finding in self._look(case):
            yield replace(finding, code=self.code, fixable=self.repair is not None and finding.fixable)

    def why_skipped(self, case: Case) -> str | None:
        """Reason for which the check cannot run; None where everything that it needs is there."""
        return next((reason for need in self.needs if (reason := case.missing(need))), None)

    def repaired_by(self, repair: Repair) -> Repair:
        """Decorator: the repair that `--fix` applies where a finding says that it is `fixable`."""
        self.repair = repair
        return repair


checks: Registry[Check] = Registry("check", "tokengraft.diagnosis.checks")


def check(code: str, *, needs: tuple[str, ...], symptom: str = "") -> Callable[[Look], Check]:
    """Decorator that enters a check under its code. `needs` are names in `NEEDS`; `symptom` is what a user sees."""
    assert set(needs) <= set(NEEDS), f"{code} needs something unknown"

    def enter(look: Look) -> Check:
        made = Check(code, look, needs, symptom)
        checks.register(code)(made)
        return made

    return enter


__all__ = ["Check", "Look", "Repair", "check", "checks"]
