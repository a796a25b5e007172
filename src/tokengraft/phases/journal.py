"""A folder of its own for a phase that is called from Python: checkpoints and a log."""

import json
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.phases.task import Part
from tokengraft.training.loop import Journal

LOG = "log.jsonl"


def folder_journal(folder: Path, tokenizer: str, part: Part) -> Journal:
    """The journal of a part: `checkpoint.PART.safetensors` and `log.jsonl` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOG

    def log(event: str, **values: Any) -> None:
        with atomic.storage_errors(path), path.open("a") as handle:
            handle.write(json.dumps({"event": event, "part": part.name, **values}) + "\n")

    def rewind(begin: int) -> None:
        if path.exists():
            rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
            kept = [row for row in rows if row["part"] != part.name or row["step"] <= begin]
            atomic.write_jsonl(path, iter(kept))

    checkpoint = folder / f"checkpoint.{part.name}.safetensors"
    return Journal(checkpoint, log, rewind, identity=f"the tokenizer {tokenizer[:12]}, {part.name}")
