"""A run folder as frozen values. What a run may lack is None or empty here, and the page says so."""

from dataclasses import dataclass, field
from typing import Any

from tokengraft.reporting.evidence import Curve, Detail, Difference, Generation, Learned, TaskDifference, TaskFigure


@dataclass(frozen=True, slots=True)
class Fertility:
    """How many tokens the same held-out text takes before and after."""

    bytes: int
    documents: int
    tokens_base: int
    tokens_extended: int
    documents_longer: int

    @property
    def saved(self) -> float:
        """Share of the base's tokens that are no longer needed.

        >>> Fertility(bytes=100, documents=1, tokens_base=40, tokens_extended=30, documents_longer=0).saved
        0.25
        """
        return 1 - self.tokens_extended / self.tokens_base if self.tokens_base else 0.0

    def per_byte(self, tokens: int) -> float:
        """Tokens a byte."""
        return tokens / self.bytes if self.bytes else 0.0


@dataclass(frozen=True, slots=True)
class Added:
    """What the tokenizer gained."""

    added: int
    asked: int | None
    base_size: int | None
    method: str | None
    family: str | None
    domain: Fertility
    general: Fertility | None
    ceiling: float | None
    """Share of the domain's tokens that the split pattern lets any extension save at most."""


@dataclass(frozen=True, slots=True)
class Score:
    """A model on held-out text of one kind."""

    bits_per_byte: float
    bytes: int | None
    tokens: int | None
    kl_to_base: float | None
    double_subword_rate: float | None
    documents: int | None = None
    tokens_per_byte: float | None = None
    mass_on_new: float | None = None
    rate_of_new: float | None = None
    calibration_error: float | None = None
    new_token_top1: float | None = None
    new_token_mrr: float | None = None
    double_subword_rate_in_text: float | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """95 % interval of a figure by its name, where there were documents enough."""


@dataclass(frozen=True, slots=True)
class ModelScores:
    """One model of the run: base, control, initialised, distilled or what else there is."""

    name: str
    domain: Score
    general: Score | None
    generation: Generation | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A promise that was proved on this run, or was not."""

    name: str
    passed: bool
    detail: str
    measured: bool = False
    """No theorem stands behind it for this tokenizer: the detail is a figure."""


@dataclass(frozen=True, slots=True)
class Exactness:
    """What growing left bit for bit as it was."""

    rows: bool
    logits: bool
    compared: int | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak bytes of the distillation, and of the plain way on the same batch."""

    engine: int
    plain: int
    baseline: int | None
    how: str
    speed: "Speed | None" = None


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of a step of the run, and of the plain way's on the same batch."""

    engine: float
    plain: float
    ratio: float
    how: str


@dataclass(frozen=True, slots=True)
class Training:
    """What the distillation spent."""

    steps: int
    tokens: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """`metrics.json`."""

    title: str | None
    model: str
    corpus: str
    general: str | None
    seed: int | None
    hardware: dict[str, Any]
    versions: dict[str, Any]
    tokens: Added
    checks: tuple[Check, ...]
    exactness: Exactness | None
    models: tuple[ModelScores, ...]
    gap_closed: float | None
    memory: Memory | None
    stages: dict[str, float]
    total_seconds: float | None
    training: Training | None
    differences: tuple[Difference, ...] = ()
    tasks: tuple[TaskFigure, ...] = ()
    task_differences: tuple[TaskDifference, ...] = ()
    verdicts: dict[str, int] = field(default_factory=dict)
    """How many new tokens were learned, and how many were not, by verdict."""

    @property
    def base(self) -> ModelScores:
        """The untouched model."""
        return self.models[0]

    @property
    def final(self) -> ModelScores:
        """The model that the run ends with."""
        return self.models[-1]

    @property
    def general_change(self) -> float | None:
        """Relative change of bits per byte on general text; None: not measured."""
        before, after = self.base.general, self.final.general
        if before is None or after is None or len(self.models) < 2 or not before.bits_per_byte:
            return None
        return after.bits_per_byte / before.bits_per_byte - 1


@dataclass(frozen=True, slots=True)
class Token:
    """A new token, as the table shows it."""

    id: int
    bytes: bytes
    pieces: tuple[int, ...]
    piece_texts: tuple[str, ...]
    count: int | None
    saved: int | None
    notes: tuple[str, ...]
    learned: Learned | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A held-out passage in both tokenizations: pairs of text and id."""

    name: str
    base: tuple[tuple[str, int], ...]
    extended: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Output:
    """What one model wrote after a prompt."""

    model: str
    text: str
    tokens: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Continuation:
    """A prompt, and what each model wrote after it."""

    prompt: str
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Losses of one training step, in nats; None where an objective was not used."""

    step: int
    kl: float | None
    cross_entropy: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that the page shows."""

    metrics: Metrics
    tokens: tuple[Token, ...]
    """By tokens saved, most first."""
    rejected: dict[str, int]
    """Candidates that were not added: how many for each reason, most first."""
    steps: tuple[Step, ...]
    passages: tuple[Passage, ...]
    continuations: tuple[Continuation, ...]
    settings: dict[str, Any]
    """`config.yaml`, as dotted names."""
    details: tuple[Detail, ...] = ()
    """In the order of the models; those of a model may be missing."""
    curves: tuple[Curve, ...] = ()
