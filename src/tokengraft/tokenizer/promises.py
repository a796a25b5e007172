"""The outcome of one promise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

KEPT = 5
"""Counterexamples kept as evidence."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One promise, whether it held, on what it was tried, and what spoke against it."""

    name: str
    passed: bool
    detail: str
    evidence: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "passed": self.passed, "detail": self.detail, "evidence": list(self.evidence)}


def verdict(name: str, wrong: Sequence[str], detail: str) -> CheckResult:
    """Held where nothing is `wrong`.

    >>> verdict("ids stay", ["'a': 3 → 4"], "1 of 9 ids moved").passed
    False
    """
    return CheckResult(name, not wrong, detail, tuple(wrong[:KEPT]))
