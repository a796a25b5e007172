"""What can be known to be wrong about phases before any long work."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from tokengraft.config_phases import ROWS, PhaseConfig
from tokengraft.corpus.instructions import read_dialogues
from tokengraft.errors import ConfigError
from tokengraft.model.tables import Tables
from tokengraft.phases import phases
from tokengraft.phases.lora import check_adapters
from tokengraft.phases.quantized import require_bitsandbytes
from tokengraft.phases.sequential import check_stages
from tokengraft.phases.task import blocks_of
from tokengraft.training import processes
from tokengraft.training.schedules import schedules

TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "trackio": "trackio"}
"""Trackers by name, and the module that each needs."""


def check_later_phases(chosen: Sequence[PhaseConfig]) -> None:
    """Returns where every phase, schedule, tracker and file that was named is there.

    Raises:
        ConfigError: a name is unknown, or a library is missing.
        CorpusError: a file of conversations cannot be read.
        DeviceError: a launcher asks for sharded weights, or bitsandbytes is missing.
    """
    processes.refuse_sharding()
    for phase in chosen:
        if phase.phase == ROWS:
            continue  # its settings stand under distill
        if phase.phase not in phases.names():
            _refuse_phase(phase.phase)
        schedules.get(phase.schedule)
        for tracker in phase.trackers:
            _check_tracker(tracker)
        if phase.quantize:
            require_bitsandbytes()
        if phase.instructions is not None:
            next(read_dialogues(phase.instructions))


def _refuse_phase(name: str) -> None:
    names = [ROWS, *phases.names()]
    raise ConfigError(found=f"phase {name!r}", expected=f"one of {', '.join(names)}", do="choose one of these names")


def _check_tracker(name: str) -> None:
    if name not in TRACKERS:
        raise ConfigError(
            found=f"tracker {name!r}", expected=f"one of {', '.join(TRACKERS)}", do="change trackers, or leave them out"
        )
    if find_spec(TRACKERS[name]) is None:
        raise ConfigError(
            found=f"tracker {name}, and no module {TRACKERS[name]}",
            expected="an installed tracker",
            do=f"pip install {TRACKERS[name]}, or leave it out: log.jsonl is written in any case",
        )


def check_phases_fit(settings: Any, chosen: Sequence[PhaseConfig]) -> None:
    """Returns where the phases go with a model of these settings: its modules are built, without their weights.

    Raises:
        ModelError: a target matches no module, or new rows cannot learn beside adapters in the asked way.
        ConfigError: there are more stages than blocks.
    """
    if not any(phase.phase in {"lora", "sequential"} for phase in chosen):
        return
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(settings)
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    # Every address on the meta device is 0: only one and the same tensor is a tie here.
    tables = Tables(embedding, head, tied=head.weight is embedding.weight)
    for phase in chosen:
        if phase.phase == "lora":
            check_adapters(model, tables, phase)
        elif phase.phase == "sequential":
            check_stages(len(blocks_of(model)[1]), phase.stages)
