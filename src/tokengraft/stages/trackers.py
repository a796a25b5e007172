"""Trackers beside `log.jsonl`, through accelerate: tensorboard, wandb, trackio."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokengraft.training import processes

FOLDER = "trackers"


@dataclass
class Tracking:
    """The trackers of one part of a phase."""

    trackers: list[Any] = field(default_factory=list)

    @classmethod
    @contextmanager
    def of(cls, names: Sequence[str], folder: Path, part: str) -> Iterator["Tracking"]:
        """The named trackers, finished when the block ends; of several processes the first alone tracks."""
        tracking = cls([_start(name, folder / FOLDER, part) for name in names] if processes.is_main() else [])
        try:
            yield tracking
        finally:
            for tracker in tracking.trackers:
                tracker.finish()

    def log(self, event: str, values: Mapping[str, Any]) -> None:
        """Sends the numbers of an event, by its step."""
        numbers = {f"{event}/{n}": v for n, v in values.items() if n != "step" and isinstance(v, int | float)}
        for tracker in self.trackers:
            tracker.log(numbers, step=values.get("step"))


def _start(name: str, folder: Path, part: str) -> Any:
    from accelerate import PartialState  # noqa: PLC0415 - a second to import, for those who ask for it
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS  # noqa: PLC0415

    PartialState()  # trackers ask it which process they are in
    kind: Any = LOGGER_TYPE_TO_CLASS[name]
    folder.mkdir(parents=True, exist_ok=True)
    place: dict[str, Any] = {"logging_dir": folder} if kind.requires_logging_directory else {}
    tracker = kind(part.replace(": ", "-").replace(" ", "-"), **place)
    if hasattr(tracker, "start"):  # newer ones begin in a step of its own
        tracker.start()
    return tracker
