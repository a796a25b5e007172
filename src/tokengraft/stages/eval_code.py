"""Programs that the models of `tokengraft eval` write, graded by `tokengraft.evaluation.code_tasks`."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.data import load_task
from tokengraft.evaluation.code_tasks.run import run_code_tasks
from tokengraft.evaluation.code_tasks.settings import CodeTasksConfig, check
from tokengraft.statistics import mcnemar


@dataclass(frozen=True, slots=True)
class CodeConfig:
    """Benchmarks of programs; each setting as in `CodeTasksConfig`."""

    tasks: tuple[str, ...] = ()
    data: str | None = None
    allow_code_execution: bool = False
    python: str | None = None
    form: str = "completion"
    limit: int | None = None
    samples: int = 1
    temperature: float = 0.0
    max_new_tokens: int | None = None
    batch_size: int = 8
    workers: int | None = None
    seconds: float | None = None
    clean: bool = True


def check_code(config: CodeConfig, out: str | None) -> None:
    """Returns where benchmarks are there, and may be run.

    Raises:
        ConfigError: a benchmark is missing or broken, programs were not allowed, or there is no place for samples.
    """
    if not config.tasks:
        return
    if out is None:
        raise ConfigError(
            found="--tasks without --out", expected="a place for every sample and verdict", do="give --out"
        )
    settings = _settings(config, out, 0)
    check(settings)
    for name in settings.tasks:
        load_task(name, data=settings.data, limit=settings.limit, asked=settings.form)


def run_code(model: Any, folder: str, config: CodeConfig, out: Path, seed: int) -> dict[str, Any]:
    """Results of a loaded model, its samples and verdicts in `out`.

    Raises:
        TokengraftError: as `run_code_tasks`.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return run_code_tasks(model, tokenizer, _settings(config, str(out), seed)).to_dict()


def _settings(config: CodeConfig, out: str, seed: int) -> CodeTasksConfig:
    values: dict[str, Any] = asdict(config)
    return CodeTasksConfig(out=out, seed=seed, **values)


def code_differences(
    results: Mapping[str, Mapping[str, Any] | None], pairs: Iterable[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Exact McNemar test of the first sample, on the problems that both models have, task by task.

    >>> one = {"tasks": [{"task": "t", "outcomes": {"a": [True], "b": [False], "c": [True]}}]}
    >>> two = {"tasks": [{"task": "t", "outcomes": {"a": [True], "b": [True]}}]}
    >>> [found] = code_differences({"base": one, "extended": two}, [("base", "extended")])
    >>> found["documents"], found["only_before"], found["only_after"]
    (2, 0, 1)
    """
    found = []
    for before, after in pairs:
        sides = [
            {t["task"]: t["outcomes"] for t in (results.get(name) or {}).get("tasks", ())} for name in (before, after)
        ]
        for task in sides[0].keys() & sides[1].keys():
            one, two = (side[task] for side in sides)
            shared = [name for name in one if name in two]
            if not shared:
                continue
            test = mcnemar([one[name][0] for name in shared], [two[name][0] for name in shared])
            found.append(
                {
                    "before": before, "after": after, "task": task, "documents": test.total,
                    "only_before": test.only_first, "only_after": test.only_second, "p_value": test.p_value,
                }
            )  # fmt: skip
    return found
