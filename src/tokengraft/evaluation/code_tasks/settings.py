"""What decides the outcome of an evaluation on code, and what only decides how it is carried out."""

from dataclasses import dataclass, field

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.problems import PromptForm
from tokengraft.evaluation.code_tasks.runner import Limits


@dataclass(frozen=True, slots=True)
class CodeTasksConfig:
    """Settings of `run_code_tasks`."""

    tasks: tuple[str, ...]
    """`bigcodebench`, `ds1000`, `humaneval`, `mbpp`; `name=FILE` for one in a file; or a .jsonl[.gz] of `prompt` and
    `test`."""
    out: str
    """Folder of the evaluation; a stopped one in it goes on."""
    data: str | None = None
    """Folder of benchmark files; None: benchmarks that are only named come from the hub."""
    allow_code_execution: bool = False
    """The user's word that programs which a model wrote may be run on this machine."""
    form: PromptForm = "completion"
    """`completion`, or `chat` through the model's chat template. Never guessed."""
    limit: int | None = None
    """Only the first so many problems of each benchmark."""
    samples: int = 1
    """Answers to each problem."""
    temperature: float = 0.0
    """0: greedy, one answer."""
    top_p: float = 1.0
    ks: tuple[int, ...] = (1,)
    """The k of pass@k; none may be larger than `samples`."""
    max_new_tokens: int | None = None
    """Longest answer in tokens; None: as the benchmark's own program has it."""
    seed: int = 0
    backend: str = "transformers"
    """What generates: transformers, or vllm where it is installed."""
    batch_size: int = 8
    device: str = "auto"
    dtype: str = "auto"
    trust_remote_code: bool = False
    python: str | None = None
    """Interpreter of the grader, whose libraries the programs see; None: this one."""
    workers: int | None = None
    """Programs run at one time; None: as many as there are processors."""
    seconds: float | None = None
    """Wall time of a program; None: as the benchmark's own grader has it."""
    limits: Limits = field(default_factory=Limits)
    keep_environment: tuple[str, ...] = ("NLTK_DATA",)
    """Environment variables that programs see; all others are kept from them."""
    clean: bool = True
    """Run reference solutions first, and leave out problems whose own reference fails."""


def check(settings: CodeTasksConfig) -> None:
    """Refuses settings that contradict themselves, before any work.

    Raises:
        ConfigError: one of them is outside its range, or running programs was not allowed.
    """
    for found, bad, expected, do in _rules(settings):
        if bad:
            raise ConfigError(found=found, expected=expected, do=do)


def _rules(s: CodeTasksConfig) -> list[tuple[str, bool, str, str]]:
    least = {"samples": s.samples, "batch_size": s.batch_size, "limit": s.limit, "workers": s.workers}
    rules = [
        (f"{name} = {value}", value is not None and value < 1, "1 or more", f"change {name}")
        for name, value in {**least, "max_new_tokens": s.max_new_tokens}.items()
    ]
    return [
        (
            "programs that a model wrote, to be run on this machine",
            not s.allow_code_execution,
            "your word for it: they run with your rights; limits keep mistakes from doing harm, but this is no sandbox",
            "add --allow-code-execution, best inside a container or a virtual machine without anything of value",
        ),
        ("no tasks", not s.tasks, "one or more", "name them with --tasks humaneval,file.jsonl"),
        *rules,
        (f"form = {s.form!r}", s.form not in ("completion", "chat"), "completion or chat", "choose one of the two"),
        (f"temperature = {s.temperature}", s.temperature < 0, "0 or more", "change --temperature"),
        (f"top_p = {s.top_p}", not 0 < s.top_p <= 1, "above 0, at most 1", "change --top-p"),
        (f"seconds = {s.seconds}", s.seconds is not None and s.seconds <= 0, "more than 0", "change --seconds"),
        (
            f"{s.samples} samples at temperature 0",
            s.samples > 1 and s.temperature == 0,
            "a temperature above 0, or one sample: greedy answers are all the same",
            "add --temperature 0.8, or leave --samples out",
        ),
        (
            f"pass@{max(s.ks, default=0)} of {s.samples} samples",
            not s.ks or max(s.ks) > s.samples or min(s.ks) < 1,
            "a k from 1 to the number of samples",
            "ask for more samples, or a smaller k",
        ),
    ]
