"""Distilling the new rows, with checkpoints in the run folder."""

from dataclasses import dataclass
from typing import Any

import torch

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.corpus import Document
from tokengraft.errors import CorpusError
from tokengraft.model.load import stored_dtype
from tokengraft.phases import distill, training_windows
from tokengraft.stages.inputs import Texts
from tokengraft.tokenizer import ExtendedTokenizer
from tokengraft.training.loop import Journal
from tokengraft.training.windows import Window

CHECKPOINT = "checkpoint.safetensors"


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


def teach(config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer, windows: Windows) -> None:
    """Trains the new rows of `model` in place; goes on from the last checkpoint of an earlier start.

    Raises:
        ModelError: a loss is not finite.
    """
    journal = Journal(
        checkpoint=run.path / CHECKPOINT,
        log=run.log,
        rewind=lambda begin: run.rewind_log(lambda row: row["event"] != "step" or row["step"] <= begin),
    )
    distill(
        model,
        extension,
        windows.domain,
        windows.replay,
        settings=config.distill,
        seed=config.seed,
        journal=journal,
        stored=stored_dtype(config.model, trust_remote_code=config.trust_remote_code),
    )
    if run.facts("distill") is None:
        steps = run.events("step")
        run.finish(
            "distill",
            {
                "steps": len(steps),
                "tokens": sum(step["tokens"] for step in steps),
                "seconds": round(sum(step["seconds"] for step in steps), 3),
                "threads": torch.get_num_threads(),
            },
            seconds=sum(step["seconds"] for step in steps),
            files=(CHECKPOINT,),
        )
