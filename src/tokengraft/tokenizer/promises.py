"""The outcome of one promise."""

from collections.abc import Mapping, Sequence
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
    measured: bool = False
    """No theorem stands behind it for this family: `detail` is a figure, and no failure by itself."""

    @property
    def outcome(self) -> str:
        """`passed`, `failed`, or `measured`, whatever the figure is."""
        return "measured" if self.measured else "passed" if self.passed else "failed"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "passed": self.passed,
            "measured": self.measured,
            "detail": self.detail,
            "evidence": list(self.evidence),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CheckResult":
        """The result that `to_dict` wrote."""
        return cls(values["name"], values["passed"], values["detail"], tuple(values["evidence"]), values["measured"])


def verdict(name: str, wrong: Sequence[str], detail: str) -> CheckResult:
    """Held where nothing is `wrong`.

    >>> verdict("ids stay", ["'a': 3 → 4"], "1 of 9 ids moved").passed
    False
    """
    return CheckResult(name, not wrong, detail, tuple(wrong[:KEPT]))
