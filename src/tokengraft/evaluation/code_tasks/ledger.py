"""Lines that stay: JSON Lines to which each result is added as soon as it is there."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokengraft.atomic import storage_errors


class Ledger:
    """A file of JSON lines. What was added is on the disk; a line that a stop tore is taken away at the next start."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[dict[str, Any]]:
        """Every whole row so far, in the order in which they were added."""
        if not self.path.exists():
            return []
        whole, _, torn = self.path.read_bytes().rpartition(b"\n")
        if torn:
            with self.path.open("rb+") as handle:
                handle.truncate(len(whole) + 1 if whole else 0)
        return [json.loads(line) for line in whole.split(b"\n") if line]

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Adds rows at the end, on the disk when this returns.

        Raises:
            RunFolderError: the disk is full, or the file cannot be written.
        """
        # ASCII: a model's lone surrogates are kept as escapes.
        text = "".join(json.dumps(row) + "\n" for row in rows)
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as handle:
                handle.write(text.encode("ascii"))
                handle.flush()
                os.fsync(handle.fileno())
