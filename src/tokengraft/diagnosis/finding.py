"""What a check says: a stable code, how bad it is, figures and ids as evidence, why it matters, what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

SHOWN = 8
"""Ids or tokens that a sentence lists at most; the evidence holds up to `KEPT`."""

KEPT = 50


class Severity(StrEnum):
    """How bad a finding is. Only an `error` makes the command end with exit code 1."""

    ERROR = "error"
    """Something breaks, or is wrong in silence: an exception, NaN, a model that learns the wrong thing."""
    WARNING = "warning"
    """It can be meant so, or hurts only in some uses; the sentence says which."""
    INFO = "info"
    """Worth knowing before tokens are added or a training starts; the model is fine as it is."""

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a set-up.

    >>> finding = error("3 rows are NaN: ids 4, 5, 6", "Every logit becomes NaN.", "Restore them.", ids=[4, 5, 6])
    >>> finding.severity.value, finding.evidence["ids"]
    ('error', [4, 5, 6])
    """

    severity: Severity
    found: str
    """What was measured, in one sentence with its numbers."""
    explanation: str
    """Why it matters."""
    fix: str
    """What to do about it."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The numbers, ids and tokens behind `found`, as plain values for JSON."""
    code: str = ""
    """Stable name of the check that found it."""
    fixable: bool = False
    """Whether `--fix` can put it right on a copy."""

    def repairable(self) -> "Finding":
        """The same finding, which the check's repair can put right on a copy."""
        return replace(self, fixable=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "found": self.found,
            "evidence": dict(self.evidence),
            "explanation": self.explanation,
            "fix": self.fix,
            "fixable": self.fixable,
        }


def error(found: str, explanation: str, fix: str, **evidence: Any) -> Finding:
    """A finding that something is broken."""
    return Finding(Severity.ERROR, found, explanation, fix, evidence)


def warning(found: str, explanation: str, fix: str, **evidence: Any) -> Finding:
    """A finding that hurts in some uses."""
    return Finding(Severity.WARNING, found, explanation, fix, evidence)


def info(found: str, explanation: str, fix: str, **evidence: Any) -> Finding:
    """A finding that is worth knowing."""
    return Finding(Severity.INFO, found, explanation, fix, evidence)


def listed(items: "list[Any] | tuple[Any, ...]", shown: int = SHOWN) -> str:
    """The first few of several, separated by commas.

    >>> listed([1, 2, 3], shown=2)
    '1, 2, … (3 in all)'
    """
    text = ", ".join(str(item) for item in items[:shown])
    return text if len(items) <= shown else f"{text}, … ({len(items)} in all)"
