"""The settings of a run: frozen dataclasses, read from YAML or TOML, checked before any work, written out resolved.

>>> config = RunConfig.from_dict({"model": "gpt2", "corpus": "notes/", "tokens": {"size": 300}})
>>> config.tokens.size, config.corpus.path
(300, 'notes/')
>>> RunConfig.from_dict({"model": "gpt2", "corpus": "notes/", "tokens": {"sise": 300}})
Traceback (most recent call last):
tokengraft.errors.ConfigError: found: unknown setting tokens.sise
expected: one of allow, ..., words_file
do: did you mean tokens.size?
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tokengraft.config_checks import check_ranges
from tokengraft.config_phases import InstructionConfig, PhaseConfig, check_phases
from tokengraft.settings_file import read_settings
from tokengraft.settings_values import build, merged

__all__ = [
    "CorpusConfig",
    "DistillConfig",
    "EvaluationConfig",
    "InitConfig",
    "InstructionConfig",
    "PhaseConfig",
    "RunConfig",
    "SharesConfig",
    "TokensConfig",
    "as_mappings",
    "build",
    "check_ranges",
    "merged",
    "read_settings",
]


@dataclass(frozen=True, slots=True)
class CorpusConfig:
    """Where text comes from: a folder of source, a `.txt`, `.jsonl[.gz|.zst]` or parquet file, or `hub:owner/name`."""

    path: str
    field: str = "text"
    """Name of the text field in JSON Lines, parquet and hub datasets."""
    include: tuple[str, ...] = ()
    """Glob patterns of the files to read in a folder; empty: every text file."""
    split: str = "train"
    """Split of a hub dataset."""
    max_documents: int | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class SharesConfig:
    """How a corpus is split by document. The three parts never share a document."""

    tokens: float = 0.40
    """Part that new tokens are chosen from."""
    training: float = 0.50
    heldout: float = 0.10
    """Part that nothing is chosen from or trained on: every reported figure is measured here."""


@dataclass(frozen=True, slots=True)
class TokensConfig:
    """Which tokens are added."""

    size: int = 800
    method: str = "continued-bpe"
    min_count: int = 2
    max_per_document: int = 10
    """A pre-token counts at most this often in one document, against boilerplate."""
    scorer: str = "count"
    """What a token is worth; those worth least give way. Not for `words` and `frequency`, which have an order."""
    filters: tuple[str, ...] = ()
    """Tokens that are not wanted: names of filters, with their argument after a colon."""
    min_exposure: int = 0
    """Least number of occurrences, in the corpus encoded anew, of a token that no other is made of."""
    gain: float | None = None
    """Ends the choice where a token saves fewer tokens than this per million; null: `size` alone ends it."""
    words: tuple[str, ...] = ()
    """For the method `words`: texts that must stay whole."""
    words_file: str | None = None
    """A file of further such texts, one a line."""
    leading_space: str = "both"
    """Whether words begin with a space: `both`, `with`, `without`, or `given` (as they stand in the list)."""
    words_as_added: bool = False
    """Words that no merges can make become added tokens, which are found inside other words too."""
    donor: str | None = None
    """For the method `donor`: the tokenizer whose tokens are taken over."""
    reference: CorpusConfig | None = None
    """For the scorer `domain-share`: text outside the domain."""
    guard_share: float = 0.0
    """Share of the tokens of general text that must stay as they are; 0: it is only measured."""
    allow: tuple[str, ...] = ()
    """Promises that may be broken, by their names in the run's checks."""


@dataclass(frozen=True, slots=True)
class InitConfig:
    """How new rows start, input table and head apart."""

    inputs: str = "exponential"
    head: str = "first-subtoken"
    calibrate: bool = False
    """Scale each new row to the median norm of its old table."""
    donor: str | None = None
    """Folder or hub id of a model that `omp` and `transfer` carry rows over from."""
    neighbours: int = 64
    """Old tokens that `omp` combines for a new one, at most (k)."""
    names: str | None = None
    """YAML or TOML file for `similar`: the text of a new token, and a list of words of like meaning."""
    descriptions: str | None = None
    """YAML or TOML file for `description`: the text of a new token, and what it means."""
    candidates: tuple[str, ...] = ("subtoken-mean", "first-subtoken", "last-subtoken", "exponential")
    """Methods that `auto` chooses from."""
    probe_steps: int = 30
    """Distillation steps that `auto` gives each of them."""


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """Phase 1: new rows alone, taught by the frozen model reading the original tokenization."""

    steps: int = 300
    epochs: float | None = None
    """Passes over the training text; where it is given, it decides the number of steps."""
    tokens_per_step: int = 4096
    """Upper bound on base tokens of one step, padding included."""
    replay_share: float = 0.5
    """Share of them that is replay text, where there is any."""
    max_length: int | None = None
    """Longest window in base tokens; None: the model's context, at most 1 024."""
    objective: str = "0.5*kl + 0.5*hidden-mse + 0.1*ce"
    """Of the input rows: an objective, or a sum of some: `kl + 0.5*hidden-mse@3`, `hidden-mse + auto*ce`. A number
    behind @ is a layer; `auto` makes a loss as large as the others together (αNTP)."""
    first_objective: str | None = None
    """Another one for the first steps; None: the same from the beginning."""
    first_share: float = 0.4
    """Share of the steps that are the first, where there is a `first_objective`."""
    anchor: str = "boundary"
    """Which piece stands for a new token: the last (`boundary`), or the `first-piece`, as in the thesis."""
    position_decay: float | None = None
    """Positions count exp(−distance / decay) for the input rows, by tokens since the last new one; None: all alike."""
    snippet: int | None = None
    """Train on stretches of so many base tokens around new tokens (Token Distillation: 50); None: on whole windows."""
    snippets_per_token: int = 100
    """Stretches for the sake of one new token, at most; windows around new tokens as well."""
    windows: str = "auto"
    """`documents`: text as it is; `around`: short windows around new tokens, each getting its share. The head then
    learns from whole text. `auto`: around them where fewer than 8 % of the tokens are new."""
    window_before: int = 6
    """Base tokens before a new token, of windows around them."""
    window_after: int = 6
    """Base tokens behind it."""
    window_minimum: int = 8
    """A new token that lies in fewer windows is read again until it has so many."""
    generated: int = 0
    """Texts that the model writes itself for each new token, in place of the corpus (with a `snippet` as their length,
    else 50 base tokens); 0: the corpus."""
    head_objective: str = "ce"
    """Of the head rows: `ce`, `chain-rule`, or any share between: `0.5*ce + 0.5*chain-rule`. `none`: they rest in the
    steps and are left to the closing fit. While a `first_objective` ends behind an early layer, they rest in any case.
    """
    temperature: float = 1.0
    rate_inputs: float = 0.075
    piece_share: float = 0.3
    """Input rows learn from each other: what all that begin with a piece, end with it or hold it have in common, and
    all new rows, moves at this share of their own rate; 0: each row learns alone."""
    betas: tuple[float, ...] = (0.8, 0.9)
    """Adam's, of the input rows: how much of the last step's gradient, and of its square, is kept."""
    rate_head: float = 0.1
    relative_rates: bool = True
    """Rates are shares of the root mean square entry of the old table; false: rates as they are."""
    schedule: str = "trapezoid"
    """`trapezoid`, `linear`, `constant`, `cosine` or `warm-restarts`."""
    cycles: tuple[float, ...] = (1.0,)
    """Lengths of the cycles against one another (`warm-restarts`): 8 and 4 epochs are [8, 4]."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises from 0."""
    decay: float = 0.5
    """Share of the steps, at the end, in which the learning rate falls to 0."""
    refit_positions: int = 120_000
    """Positions that the head's rows are fitted on once more at the end, by L-BFGS; 0: no fit. Not for tied tables."""
    refit_iterations: int = 20
    refit_ridge: float = 1e-2
    """Price of a mean squared change of 1 in a token's logit, in half nats: larger keeps rows where they were."""
    refit_objective: str | None = None
    """What the fit is taken of; None: `head_objective`, and `ce` where that is `none`."""
    share_prefix: bool = True
    """The student's pass begins at its first new token, behind the teacher's keys and values, where the model can."""
    teacher_cache: str = "auto"
    """The teacher's answers on disk: `states` (exact), `top-k` (small), `none`; `auto`: states from two epochs on."""
    teacher_cache_dir: str | None = None
    """Folder that keeps them for other runs; None: the run's folder, for the time of the phase."""
    teacher_cache_gib: float = 4.0
    """Largest cache; a larger one is not begun, and the teacher is read in every step."""
    teacher_top: int = 64
    """Logits that `top-k` keeps of each position; all others are one event."""
    compute_dtype: str = "model"
    """`model`: what the weights are loaded in; `bfloat16`: a copy of the frozen base in bfloat16. Rows are float32."""
    gradient_checkpointing: bool = False
    """Compute a block's activations a second time in the backward pass: less memory, a third more time."""
    shard: bool = False
    """Of several processes each holds its share of the frozen blocks (FSDP2) and all of the rows; no teacher cache."""
    memory_gib: float | None = None
    """Memory that a pass may take beside the model; None: a pass is as large as a step."""
    chunk: int | None = None
    """Positions whose logits exist at one time; None: so many that an array of them takes about 16 MiB."""
    checkpoint_every: int = 25
    """Steps between checkpoints: what a killed run loses at most."""


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """What is measured on held-out text."""

    window_bytes: int = 1024
    max_bytes: int = 200_000
    """Bytes of held-out text, of the domain and of general text each, that models are scored on."""
    fertility_bytes: int = 5_000_000
    """Bytes of held-out text that tokens are counted on."""
    prompts: int = 4
    """Greedy continuations shown before and after."""
    prompt_tokens: int = 48
    """Tokens generated for each."""
    memory: bool = False
    """Measure peak memory beside the plain way, which needs room for three more tables."""
    samples: int = 3
    """Held-out passages shown in both tokenizations."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that decides a run's result."""

    model: str
    corpus: CorpusConfig
    general: CorpusConfig | None = None
    """Text outside the domain, for what is forgotten; None: not measured."""
    replay: CorpusConfig | None = None
    """Other text outside the domain, read along in training: there new tokens learn where they do not belong."""
    title: str = ""
    """Heading of the page; empty: the model's name."""
    out: str = "tokengraft-run"
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    """`auto`: float32 on CPU, the checkpoint's own elsewhere; or float32, bfloat16, float16."""
    threads: int | None = None
    """CPU threads of torch; None: torch's choice. Kept in run.json: another number may change the last bit."""
    trust_remote_code: bool = False
    shares: SharesConfig = field(default_factory=SharesConfig)
    tokens: TokensConfig = field(default_factory=TokensConfig)
    init: InitConfig = field(default_factory=InitConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    phases: tuple[PhaseConfig, ...] = ()
    """What is trained, in this order, each phase from the last one's output; none named: `rows` alone."""
    control: str | None = None
    """`base`: train the base tokenizer's model on the same documents for the same steps as well; None: no control."""

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "RunConfig":
        """The configuration that a mapping of plain values describes.

        A corpus may be given as its path alone; `~` at the beginning of `model` and `out` is the user's home.

        Raises:
            ConfigError: a setting is unknown, missing, of the wrong type, or outside its range.
        """
        config = build(cls, as_mappings(settings))
        check_ranges(config)
        check_phases(config.phases)
        places = {"model": os.path.expanduser(config.model), "out": os.path.expanduser(config.out)}
        return dataclasses.replace(config, **places)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they are written to `config.yaml`."""
        return dataclasses.asdict(self)


def as_mappings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with a corpus that is given as its path alone, and a phase by its name, written out as mappings.

    >>> as_mappings({"corpus": "notes/", "phases": ["rows", {"phase": "lora", "rank": 8}]})
    {'corpus': {'path': 'notes/'}, 'phases': [{'phase': 'rows'}, {'phase': 'lora', 'rank': 8}]}
    """
    corpora = {"corpus", "general", "replay", "reference"}
    written = {
        name: {"path": value}
        if name in corpora and isinstance(value, str)
        else as_mappings(value)
        if isinstance(value, Mapping)
        else value
        for name, value in settings.items()
    }
    if isinstance(written.get("phases"), list | tuple):
        written["phases"] = [{"phase": each} if isinstance(each, str) else each for each in written["phases"]]
    return written
