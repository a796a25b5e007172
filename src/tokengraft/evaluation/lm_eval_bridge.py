"""lm-eval in this process, with this model and tokenizer: general ability by the tasks that everybody reports.

lm-eval (EleutherAI, https://github.com/EleutherAI/lm-evaluation-harness) is an extra: `pip install "tokengraft[eval]"`.
Its tasks fetch their data from the hub; a task file of one's own over local data needs no network.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from tokengraft.errors import ConfigError
from tokengraft.evaluation.context import context_ids
from tokengraft.model.checks import first_line
from tokengraft.statistics import mcnemar
from tokengraft.tokenizer import TokenizerFile

FILES = (".yaml", ".yml")


def check_tasks(tasks: Sequence[str]) -> None:
    """Returns where lm-eval is installed and knows each task, or its file is there and names a task.

    Raises:
        ConfigError: lm-eval is not installed, or there is no such task or file.
    """
    if tasks:
        _require_lm_eval()
    for name in filter(_is_file, tasks):
        _check_file(Path(os.path.expanduser(name)))
    named = [name for name in tasks if not _is_file(name)]
    if named:
        known = set(_manager(True).all_tasks)
        for name in named:
            if name not in known:
                raise ConfigError(
                    found=f"lm-eval task {name!r}",
                    expected="a name that `lm_eval ls tasks` lists, or a task file that ends in .yaml",
                    do="check the name in --lm-eval",
                )


def run_lm_eval(
    model: Any,
    folder: str,
    tasks: Sequence[str],
    limit: int | None = None,
    few_shot: int | None = None,
    batch_size: int = 8,
) -> dict[str, Any]:
    """Figures of each task: {task: {"metrics": {name: {"value", "stderr"}}, "documents": n, "outcomes": [...]}}.

    `folder` holds the tokenizer of `model`; empty contexts begin with the ids that bits per byte begin with.
    `outcomes` are the first metric's values document by document, where they are 0 or 1: what a paired test needs. A
    task that fails is noted under "error", and the others go on.

    Raises:
        ConfigError: lm-eval is not installed.
    """
    _require_lm_eval()
    from lm_eval import simple_evaluate  # noqa: PLC0415 (an extra, and slow to import)
    from lm_eval.models.huggingface import HFLM  # noqa: PLC0415

    wrapped = HFLM(
        pretrained=model,
        tokenizer=AutoTokenizer.from_pretrained(folder),
        batch_size=batch_size,
        device=str(model.device),
        prefix_token_id=context_ids(TokenizerFile.load(folder))[-1],
    )
    manager = _manager(not all(map(_is_file, tasks)))
    found: dict[str, Any] = {}
    for name in tasks:
        spec = os.path.expanduser(name)
        try:
            results = simple_evaluate(
                wrapped, tasks=[spec], task_manager=manager, limit=limit, num_fewshot=few_shot, bootstrap_iters=1000
            )
        except Exception as error:  # a task may run code of its own, and fetch data
            found[_short(name)] = {"error": first_line(error)}
            continue
        assert results is not None
        found |= _tasks(results)
    return found


def _tasks(results: Mapping[str, Any]) -> dict[str, Any]:
    samples = results.get("samples", {})
    return {
        task: {
            "metrics": _metrics(figures),
            "documents": results["n-samples"].get(task, {}).get("effective", len(samples.get(task, ()))),
            "outcomes": _outcomes(samples.get(task, ())),
        }
        for task, figures in results["results"].items()
    }


def _metrics(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Metric names are `name,filter` in lm-eval; the filter is kept where it says something."""
    found = {}
    for key, value in figures.items():
        name, comma, way = key.partition(",")
        if not comma or name.endswith("_stderr") or not isinstance(value, int | float):
            continue
        error = figures.get(f"{name}_stderr,{way}")
        shown = name if way == "none" else f"{name} ({way})"
        known = isinstance(error, int | float) and math.isfinite(error)
        found[shown] = {"value": float(value), "stderr": float(error) if known and error is not None else None}
    return found


def _outcomes(samples: Iterable[Mapping[str, Any]]) -> list[int] | None:
    ordered = sorted(samples, key=lambda sample: sample["doc_id"])
    values = [sample.get(sample["metrics"][0]) if sample.get("metrics") else None for sample in ordered]
    kept = [int(value) for value in values if value in {0, 1}]
    return kept if kept and len(kept) == len(values) else None


def task_differences(
    results: Mapping[str, Mapping[str, Any]], pairs: Iterable[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Exact McNemar test of each pair of models on each task whose outcomes are right or wrong, paired by document.

    >>> one = {"t": {"outcomes": [1, 0, 0, 0]}}
    >>> two = {"t": {"outcomes": [1, 1, 0, 0]}}
    >>> [found] = task_differences({"base": one, "extended": two}, [("base", "extended")])
    >>> found["only_before"], found["only_after"], found["p_value"]
    (0, 1, 1.0)
    """
    found = []
    for before, after in pairs:
        for task in results.get(before, {}):
            sides = [results.get(name, {}).get(task, {}).get("outcomes") for name in (before, after)]
            if not all(sides) or len(sides[0]) != len(sides[1]):
                continue
            test = mcnemar([bool(value) for value in sides[0]], [bool(value) for value in sides[1]])
            found.append(
                {
                    "before": before, "after": after, "task": task, "documents": test.total,
                    "only_before": test.only_first, "only_after": test.only_second, "p_value": test.p_value,
                }
            )  # fmt: skip
    return found


def _require_lm_eval() -> None:
    try:
        import lm_eval  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigError(
            found="no lm-eval in this environment",
            expected="the package that has the tasks",
            do='install it: pip install "tokengraft[eval]"',
        ) from error


@cache
def _manager(with_names: bool) -> Any:
    """lm-eval's index of tasks; reading its 14 000 task files takes most of a minute, so it is read once, if at all."""
    from lm_eval.tasks import TaskManager  # noqa: PLC0415

    return TaskManager(include_defaults=with_names)


def _is_file(name: str) -> bool:
    return name.endswith(FILES)


def _short(name: str) -> str:
    return Path(name).stem if _is_file(name) else name


@cache
def _loader() -> Any:
    """A safe loader that passes over `!function` and `!include`, which are lm-eval's own: only names are looked at."""
    import yaml  # noqa: PLC0415

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda *_: None)
    return Loader


def _check_file(path: Path) -> None:
    import yaml  # noqa: PLC0415

    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _loader())  # noqa: S506 (a safe one)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            found=f"{path}: {first_line(error)}", expected="a task file of lm-eval", do="check the path in --lm-eval"
        ) from error
    if not isinstance(values, dict) or not {"task", "group"} & values.keys():
        raise ConfigError(found=f"{path} without `task`", expected="a task file of lm-eval", do="name the task in it")
