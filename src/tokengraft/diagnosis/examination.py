"""Running the checks: every one that has what it needs, the others with the reason for which they were skipped."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import checks
from tokengraft.diagnosis.finding import Finding, Severity
from tokengraft.progress import watch


@dataclass(frozen=True, slots=True)
class Examination:
    """What came of it."""

    findings: list[Finding] = field(default_factory=list)
    """The worst first, then by code."""
    checked: list[str] = field(default_factory=list)
    """Codes of the checks that ran."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Reason by code of those that did not."""

    @property
    def errors(self) -> list[Finding]:
        """Findings of severity error."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "findings": [finding.to_dict() for finding in self.findings],
            "checked": self.checked,
            "skipped": self.skipped,
        }


def examine(case: Case, only: Sequence[str] | None = None) -> Examination:
    """Runs the checks named in `only`, or all, on `case`.

    Raises:
        ConfigError: there is no check of a name in `only`.
    """
    chosen = [checks.get(name) for name in only or checks.names()]
    result = Examination()
    for check in watch(chosen, "examining", "check"):
        reason = check.why_skipped(case)
        if reason is not None:
            result.skipped[check.code] = reason
            continue
        result.findings.extend(check(case))
        result.checked.append(check.code)
    result.findings.sort(key=lambda finding: (finding.severity.rank, finding.code))
    return result
