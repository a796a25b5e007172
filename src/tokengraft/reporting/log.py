"""Reads `log.jsonl`: what was logged step by step. A killed run tears its last line, and logs some steps again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokengraft.reporting.data import Step
from tokengraft.reporting.evidence import Curve
from tokengraft.reporting.reading import Fields

NO_LOSS = {"event", "part", "step", "rate", "tokens", "seconds"}
"""Members of a step event of a later phase that are no loss."""


def read_steps(path: Path) -> tuple[Step, ...]:
    """Steps of the distillation; of a step that was logged twice the last counts.

    Raises:
        RunFolderError: an event has a member of another type.
    """
    found: dict[int, Step] = {}
    for event in _events(path, "step"):
        fields = Fields(event, path.name, "")
        step = fields.whole("step")
        found[step] = Step(step, fields.maybe(Fields.number, "kl"), fields.maybe(Fields.number, "cross_entropy"))
    return tuple(found[step] for step in sorted(found))


def read_curves(path: Path) -> tuple[Curve, ...]:
    """Losses of later phases and what was evaluated in between: a curve for each, in the order of the training.

    Raises:
        RunFolderError: an event has a member of another type.
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    for event in (*_events(path, "phase step"), *_events(path, "phase evaluation")):
        fields = Fields(event, path.name, "")
        for name in event.keys() - NO_LOSS:
            value = fields.maybe(Fields.number, name)
            if value is not None:
                found.setdefault((fields.text("part"), name), {})[fields.whole("step")] = value
    return tuple(_curve(phase, loss, points) for (phase, loss), points in found.items())


def _curve(phase: str, loss: str, points: dict[int, float]) -> Curve:
    steps = sorted(points)
    return Curve(phase, loss, tuple(steps), tuple(points[step] for step in steps))


def _events(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(event, dict) and event.get("event") == kind:
            yield event
