"""A finished run as exporters see it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft.artifacts import RunFolder
from tokengraft.errors import RunFolderError
from tokengraft.tokenizer import ExtendedTokenizer

NEEDED = ("model/config.json", "model/tokenizer.json", "metrics.json", "samples.json")
"""Files without which a run has not come to its end."""


@dataclass(frozen=True)
class Finished:
    """A run's model, the base that it grew from, and the figures."""

    path: Path
    base: str
    """Folder or hub id of the base model, as the run's settings name it."""
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    samples: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Finished":
        """The run in that folder.

        Raises:
            RunFolderError: there is none, or it did not come to its end.
        """
        run = RunFolder.read(path)
        missing = [name for name in NEEDED if not (path / name).is_file()]
        if missing:
            raise RunFolderError(
                found=f"a run in {path} without {missing[0]}",
                expected="a run that came to its end",
                do="start the run's command again: it goes on where it stopped",
            )
        metrics, samples = (json.loads((path / name).read_text(encoding="utf-8")) for name in NEEDED[2:])
        return cls(path, run.state["settings"]["model"], run.state["settings"], metrics, samples)

    @property
    def model(self) -> Path:
        """Folder of the extended model and its tokenizer."""
        return self.path / "model"

    def extension(self) -> ExtendedTokenizer:
        """The extended tokenizer with its record."""
        return ExtendedTokenizer.load(self.model, self.base)
