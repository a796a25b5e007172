"""Settings of the phases that follow the rows, and the rules that hold between them.

>>> check_phase(PhaseConfig("tables", rank=8), "phases[0].")
Traceback (most recent call last):
tokengraft.errors.ConfigError: found: phases[0].rank in a phase tables
expected: rank with the phase lora alone
do: leave it out
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokengraft.config_checks import ABOVE_0, FROM_0, FROM_1, SHARE, Rule
from tokengraft.errors import ConfigError

ROWS = "rows"
"""The phase whose settings stand under `distill`."""


@dataclass(frozen=True, slots=True)
class InstructionConfig:
    """Questions and answers, in JSON Lines: the loss is taken on the answers alone."""

    path: str
    format: str = ""
    """Text before an answer, with `{prompt}` in it; empty: the model's chat template."""
    end: str = ""
    """Text after an answer that is learned with it, such as the end token; with a chat template, the template's own."""
    prompt_field: str = "prompt"
    answer_field: str = "answer"
    messages_field: str = "messages"
    """Where a record holds a conversation (a list of role and content), every answer of its assistant is learned."""
    max_documents: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseConfig:
    """One phase after the rows. `rows` itself takes its settings from `distill`."""

    phase: str
    """`rows`, `tables`, `lora`, `trainable-tokens`, `sequential`, `full` or `warm-up`."""
    name: str = ""
    """Name in tables and files; empty: the phase's own."""
    steps: int = 100
    """Optimiser steps, of all parts of the phase together."""
    epochs: float | None = None
    """Passes over the training text; where it is given, it decides the number of steps."""
    tokens_per_step: int = 2048
    """Upper bound on base tokens of one optimiser step, padding included."""
    accumulation: int = 1
    """Forward and backward passes that a step is spread over at least: less memory, the same gradient."""
    max_length: int | None = None
    """Longest window in base tokens; None: the model's context, at most 1 024."""
    cut: str = "windows"
    """Documents longer than that: `windows` reads them to the end, `truncate` reads their beginning alone."""
    instructions: InstructionConfig | None = None
    """Questions and answers in place of the corpus' text."""
    replay_share: float = 0.25
    """Share of a step's tokens that is replay text, where there is any."""
    kl_share: float = 0.0
    """Share of the loss that is KL to the base at shared boundaries, against forgetting."""
    rate: float = 2e-4
    """Learning rate of AdamW."""
    rate_tables: float | None = None
    """Another rate for the tables, or rows of them; None: `rate`."""
    weight_decay: float = 0.0
    """Of matrices in blocks; never of tables, norms and biases."""
    clip: float | None = 1.0
    """Largest norm of a step's gradient; None: as it comes."""
    schedule: str = "linear"
    """`linear`, `constant`, `cosine`, `trapezoid` or `warm-restarts`."""
    warmup: float = 0.1
    """Share of the steps in which the rate rises from 0."""
    decay: float = 0.5
    """Share of the steps, at the end, in which it falls to 0 (`trapezoid`)."""
    cycles: tuple[float, ...] = (1.0,)
    """Lengths of the cycles against one another (`warm-restarts`): 8 and 4 epochs are [8, 4]."""
    seed: int | None = None
    """Seed of order and dropout; None: the run's seed and the place of the phase."""
    precision: str = "model"
    """`model`: what the weights are loaded in; `bfloat16`: matrix products in bfloat16 over float32 weights."""
    master_weights: bool = True
    """Low-precision weights learn in float32 copies; false: as they are, in half the memory. Rows always learn so."""
    gradient_checkpointing: bool = False
    """Compute a block's activations a second time in the backward pass: less memory, a third more time."""
    chunk: int = 512
    """Positions whose logits exist at one time."""
    checkpoint_every: int = 25
    """Steps between checkpoints: what a killed run loses at most."""
    checkpoint_minutes: float | None = None
    """Minutes after which one is written in any case."""
    keep: int = 1
    """Checkpoints of a phase that are kept."""
    evaluate_every: int = 0
    """Steps between evaluations on held-out text, written to the log; 0: none."""
    trackers: tuple[str, ...] = ()
    """Trackers of accelerate beside the log: tensorboard, wandb, trackio."""
    rank: int = 16
    """lora: rank of the adapters."""
    alpha: float | None = None
    """lora: their strength is alpha / rank; None: twice the rank."""
    dropout: float = 0.0
    """lora: dropout before the adapters."""
    targets: tuple[str, ...] = ()
    """lora: ends of the names of the modules that get adapters; empty: all linear layers of all blocks."""
    rows: str = "trainable-tokens"
    """lora: how new rows learn along: `trainable-tokens` (n×d numbers), `modules-to-save` (whole tables) or `none`."""
    quantize: bool = False
    """lora: the frozen blocks in 4 bits (bitsandbytes); the adapters are folded into the weights as they were."""
    shard: bool = False
    """trainable-tokens, tables, lora: of several processes each holds its share of the frozen blocks alone (FSDP2)."""
    stages: int = 2
    """sequential: groups of blocks that learn one after the other, first blocks first."""
    tables: bool = False
    """sequential: the tables learn along in every stage."""
    tables_part: float = 0.1
    """warm-up: share of the steps in which the tables learn alone."""

    @property
    def label(self) -> str:
        """What the phase is called in tables and files."""
        return self.name or self.phase


PHASE_RULES = {
    "steps": FROM_1,
    "epochs": ABOVE_0,
    "tokens_per_step": ABOVE_0,
    "accumulation": FROM_1,
    "max_length": Rule(lambda value: value >= 16, "16 or more"),
    "cut": Rule(lambda value: value in {"windows", "truncate"}, "windows or truncate"),
    "replay_share": Rule(lambda value: 0 <= value < 1, "from 0 to below 1"),
    "kl_share": SHARE,
    "rate": ABOVE_0,
    "rate_tables": FROM_0,
    "weight_decay": FROM_0,
    "clip": ABOVE_0,
    "warmup": SHARE,
    "decay": SHARE,
    "cycles": Rule(lambda value: value and all(length > 0 for length in value), "one or more lengths above 0"),
    "seed": FROM_0,
    "precision": Rule(lambda value: value in {"model", "bfloat16"}, "model or bfloat16"),
    "chunk": ABOVE_0,
    "checkpoint_every": ABOVE_0,
    "checkpoint_minutes": ABOVE_0,
    "keep": FROM_1,
    "evaluate_every": FROM_0,
    "rank": FROM_1,
    "alpha": ABOVE_0,
    "dropout": Rule(lambda value: 0 <= value < 1, "from 0 to below 1"),
    "rows": Rule(lambda value: value in WAYS_OF_ROWS, "trainable-tokens, modules-to-save or none"),
    "stages": FROM_1,
    "tables_part": Rule(lambda value: 0 < value < 1, "between 0 and 1"),
}

WAYS_OF_ROWS = ("trainable-tokens", "modules-to-save", "none")
OF_ONE_PHASE = {
    **dict.fromkeys(("rank", "alpha", "dropout", "targets", "rows", "quantize"), "lora"),
    **dict.fromkeys(("stages", "tables"), "sequential"),
    "tables_part": "warm-up",
}
OF_ROWS = ("phase", "name")
SHARDING = ("trainable-tokens", "tables", "lora")
"""Phases in which no weight of a block learns itself."""


def check_phase(phase: PhaseConfig, where: str) -> None:
    """Returns where each setting of a phase can be what it is, and belongs to that phase.

    Raises:
        ConfigError: one cannot, or would do nothing.
    """
    defaults = PhaseConfig(phase.phase)
    for entry in dataclasses.fields(phase):
        value = getattr(phase, entry.name)
        rule = PHASE_RULES.get(entry.name)
        if value is not None and rule is not None and not rule.holds(value):
            raise ConfigError(
                found=f"{where}{entry.name} = {value}", expected=rule.expected, do=f"change {where}{entry.name}"
            )
        if value != getattr(defaults, entry.name):
            _check_place(phase.phase, entry.name, where)
    if phase.shard and phase.quantize:
        raise ConfigError(
            found=f"{where}shard and {where}quantize",
            expected="one of the two: weights in 4 bits are not spread over processes",
            do="leave one of them out",
        )


def check_order(phases: Sequence[PhaseConfig]) -> None:
    """Returns where the phases can follow one another as they stand.

    Raises:
        ConfigError: `rows` comes after a phase that moves what its teacher is made of, or a name is given twice.
    """
    names = [phase.phase for phase in phases]
    if ROWS in names[1:]:
        raise ConfigError(
            found=f"phases in the order {', '.join(names)}",
            expected="rows as the first phase, once: its teacher is the base, which later phases move",
            do="put rows first, or use trainable-tokens where rows alone shall learn later on",
        )
    labels = [phase.label for phase in phases]
    taken = {"base", "control", "initialised", "distilled"}
    for place, label in enumerate(labels):
        if label in taken:
            raise ConfigError(
                found=f"phases[{place}] with the name {label!r}, which another model of the run has",
                expected="a name of its own for each phase",
                do=f"set phases[{place}].name",
            )
        taken.add(label)
        _check_name(label, place)


def _check_name(label: str, place: int) -> None:
    if not all(sign.isalnum() or sign in "-_." for sign in label) or label.startswith("."):
        raise ConfigError(
            found=f"phases[{place}].name = {label!r}",
            expected="letters, digits, -, _ and . (it becomes the name of a file)",
            do=f"change phases[{place}].name",
        )


def _check_place(phase: str, setting: str, where: str) -> None:
    owner = OF_ONE_PHASE.get(setting)
    if phase == ROWS and setting not in OF_ROWS:
        raise ConfigError(
            found=f"{where}{setting} in the phase rows",
            expected="the settings of the rows under distill",
            do=f"set distill.{setting}, or leave it out",
        )
    if setting == "shard" and phase not in SHARDING:
        raise ConfigError(
            found=f"{where}shard in a phase {phase}",
            expected=f"a phase whose blocks are frozen: {', '.join(SHARDING)}",
            do="leave it out; or take lora, whose adapters are small",
        )
    if owner is not None and owner != phase:
        raise ConfigError(
            found=f"{where}{setting} in a phase {phase}",
            expected=f"{setting} with the phase {owner} alone",
            do="leave it out",
        )


def check_phases(phases: Sequence[PhaseConfig]) -> None:
    """Returns where each phase and their order can be.

    Raises:
        ConfigError: see `check_phase` and `check_order`.
    """
    for place, phase in enumerate(phases):
        check_phase(phase, f"phases[{place}].")
    check_order(phases)


def phases_of(settings: Any) -> tuple[PhaseConfig, ...]:
    """The phases of a run in their order; none named: the rows alone."""
    return settings.phases or (PhaseConfig(ROWS),)
