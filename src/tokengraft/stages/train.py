"""Distilling the new rows, with checkpoints in the run folder."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.corpus import Document
from tokengraft.errors import CorpusError
from tokengraft.model.rows import NewRows
from tokengraft.model.stored import stored_dtype
from tokengraft.phases import distill, training_windows
from tokengraft.stages.inputs import Texts
from tokengraft.tokenizer import ExtendedTokenizer
from tokengraft.training.checkpoint import load_checkpoint, save_checkpoint
from tokengraft.training.loop import Journal
from tokengraft.training.windows import Window

CHECKPOINT, ROWS = "checkpoint.safetensors", "rows.safetensors"
"""The rows on their way with their optimisers, and at the end, rounded as they are stored."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What the rows are trained on, in both tokenizations."""

    domain: list[Window]
    replay: list[Window]


def windows_for(config: RunConfig, model: Any, extension: ExtendedTokenizer, texts: Texts) -> Windows:
    """Windows of the training text and of the replay text.

    Raises:
        CorpusError: the training part holds no window to compare.
    """

    def cut(documents: list[Document]) -> list[Window]:
        return training_windows(model, extension, [document.text for document in documents], config.distill)

    windows = Windows(cut(texts.training), cut(texts.replay))
    if not windows.domain:
        raise CorpusError(
            found=f"{len(texts.training)} training documents of one token or none",
            expected="text to train on",
            do="give more text",
        )
    return windows


def teach(config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer, texts: Texts) -> None:
    """Trains the new rows of `model` in place; goes on from the last checkpoint of an earlier start.

    Where an earlier start came to the end, its rows are put into the model as they were.

    Raises:
        ModelError: a loss is not finite.
    """
    if run.has("distill", ROWS):
        rows = NewRows.read(model, extension.base_size, extension.size)
        load_checkpoint(run.path / ROWS, rows, ())
        rows.write(model, extension.base_size)
        return
    begun = time.monotonic()
    windows = windows_for(config, model, extension, texts)
    journal = Journal(
        checkpoint=run.path / CHECKPOINT,
        log=run.log,
        rewind=lambda begin: run.rewind_log(lambda row: row["event"] != "step" or row["step"] <= begin),
    )
    outcome = distill(
        model,
        extension,
        windows.domain,
        windows.replay,
        settings=config.distill,
        seed=config.seed,
        journal=journal,
        stored=stored_dtype(config.model),
    )
    save_checkpoint(run.path / ROWS, NewRows.read(model, extension.base_size, extension.size), (), config.distill.steps)
    steps = run.events("step")
    earlier = steps[: len(steps) - len(outcome.losses)]
    seconds = time.monotonic() - begun + sum(step["seconds"] for step in earlier)
    facts = {
        "steps": len(steps),
        "tokens": sum(step["tokens"] for step in steps),
        "seconds": round(seconds, 3),
        "fit": None if outcome.fit is None else asdict(outcome.fit),
        "fit_seconds": round(outcome.fit_seconds, 3),
    }
    run.finish("distill", facts, seconds=seconds, files=(ROWS,))
    (run.path / CHECKPOINT).unlink(missing_ok=True)
