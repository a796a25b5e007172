"""A phase's task: the windows that a model learns from, and what it is compared with."""

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.config_phases import PhaseConfig
from tokengraft.errors import CorpusError
from tokengraft.model.load import load_model
from tokengraft.phases.material import Material, material
from tokengraft.phases.task import Task
from tokengraft.progress import say
from tokengraft.stages.inputs import Texts
from tokengraft.tokenizer import ExtendedTokenizer

CONTROL = "control"


@dataclass(frozen=True)
class Subject:
    """A model that goes through the phases: the run's own, or the control, which reads the base's tokenization."""

    config: RunConfig
    run: RunFolder
    model: Any
    extension: ExtendedTokenizer
    texts: Texts
    base: str
    """The base model, for what is compared with it."""
    control: bool = False
    grown: bool = True
    """Whether the model was grown in this run; else it is as it stands under `config.model`."""

    @property
    def prefix(self) -> str:
        """What the names of its stages begin with."""
        return f"{CONTROL} " if self.control else ""

    @property
    def tokenizer(self) -> Any:
        """What it reads text with."""
        return self.extension.base if self.control else self.extension.file

    @property
    def size(self) -> int:
        """Ids that it knows."""
        return self.extension.base_size if self.control else self.extension.size


def prepare(subject: Subject, phase: PhaseConfig, place: int) -> tuple[Task, dict[str, int]]:
    """The task, and what became of the documents.

    Raises:
        CorpusError: nothing is there to learn from.
    """
    found = _material(subject, phase, "training")
    say(f"{subject.prefix}{phase.label}: {found.in_words(phase)}")
    if not found.windows:
        raise CorpusError(
            found=f"{found.counted.documents} documents without text to learn from",
            expected="text of two tokens at least",
            do="give more text",
        )
    replay = _material(subject, phase, "replay").windows
    task = Task(
        model=subject.model,
        base_size=subject.extension.base_size,
        size=subject.size,
        windows=_as_read(subject, found.windows),
        replay=_as_read(subject, replay),
        settings=phase,
        first_pieces=() if subject.control else tuple(token.pieces[0] for token in subject.extension.new_tokens),
        teacher=_teacher(subject) if phase.kl_share else None,
        seed=_seed(subject.config.seed, phase, place),
        adapter=_adapter(subject, phase),
        base_name=str(Path(subject.config.model)) if place == 0 and not subject.grown else "",
    )
    return task, {"windows": len(found.windows), **asdict(found.counted)}


def _seed(seed: int, phase: PhaseConfig, place: int) -> int:
    if phase.seed is not None:
        return phase.seed
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def _adapter(subject: Subject, phase: PhaseConfig) -> Path | None:
    name = f"{CONTROL}-{phase.label}" if subject.control else phase.label
    return subject.run.path / "adapters" / name if phase.phase == "lora" else None


def _as_read(subject: Subject, windows: Sequence[Any]) -> list[Any]:
    return [window.in_base() for window in windows] if subject.control else list(windows)


def _material(subject: Subject, phase: PhaseConfig, part: str) -> Material:
    settings = phase if part == "training" else dataclasses.replace(phase, instructions=None, cut="windows")
    texts = [document.text for document in getattr(subject.texts, part)]
    return material(subject.model, subject.extension, texts, settings)


def _teacher(subject: Subject) -> Any:
    config = subject.config
    return load_model(
        subject.base, dtype=config.dtype, device=config.device, trust_remote_code=config.trust_remote_code
    )
