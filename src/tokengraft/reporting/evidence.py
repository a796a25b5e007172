"""What stands behind the figures of a run, as frozen values."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model wrote, beside what its tokenizer makes of the same text."""

    adopted: float | None
    canonical_ratio: float | None
    bytes_per_step: float | None
    bytes_per_second: float | None
    new_possible: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one model minus that of another, on the same documents."""

    before: str
    after: str
    part: str
    metric: str
    value: float
    low: float
    high: float
    p_value: float
    documents: int


@dataclass(frozen=True, slots=True)
class TaskFigure:
    """A figure of a task of lm-eval."""

    model: str
    task: str
    metric: str
    value: float
    error: float | None
    documents: int


@dataclass(frozen=True, slots=True)
class TaskDifference:
    """Two models on the same questions: how many only one of them gets right."""

    before: str
    after: str
    task: str
    documents: int
    only_before: int
    only_after: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What the last model makes of a new token on held-out text; log-probability and KL in nats."""

    verdict: str
    count: int
    top1: float | None
    log_prob: float | None
    kl_after: float | None
    written_change: float | None
    read_change: float | None


@dataclass(frozen=True, slots=True)
class Documents:
    """Sums of each held-out document under one model."""

    names: tuple[str, ...]
    bytes: tuple[float, ...]
    tokens: tuple[float, ...]
    nats: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Quantiles, at equal steps of rank, of figures of one table's new rows."""

    cosines: dict[str, tuple[float, ...]]
    """With the row of the first, middle and last piece."""
    norms_old: tuple[float, ...]
    norms_new: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RowMap:
    """Rows on a plane: the two main directions of some new rows, their pieces and other old ones."""

    texts: tuple[str, ...]
    kinds: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    explained: float | None


@dataclass(frozen=True, slots=True)
class Detail:
    """What stands behind one model's figures."""

    name: str
    domain: Documents | None = None
    calibration: tuple[tuple[float, float, float], ...] = ()
    """(positions, mass on new tokens added up, new tokens that came) of each bin of the mass."""
    kl_by_distance: tuple[tuple[float, float], ...] = ()
    """(mean KL in nats, positions) at each number of tokens after a new one."""
    tables: dict[str, Table] = field(default_factory=dict)
    map: RowMap | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A loss of a later phase by its step; the control's own has the phase's name behind `control `."""

    phase: str
    loss: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
