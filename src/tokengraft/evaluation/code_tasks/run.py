"""The evaluation on code, from benchmarks to results; every step is kept, and a stopped one goes on."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks import folder as places
from tokengraft.evaluation.code_tasks.cleaning import Cleaning, clean
from tokengraft.evaluation.code_tasks.data import Task, load_task
from tokengraft.evaluation.code_tasks.environment import Environment, environment, modules_of
from tokengraft.evaluation.code_tasks.grading import Grader
from tokengraft.evaluation.code_tasks.ledger import Ledger
from tokengraft.evaluation.code_tasks.problems import Prompt
from tokengraft.evaluation.code_tasks.results import CodeTaskResults, TaskResult, score
from tokengraft.evaluation.code_tasks.runner import Program, Runner, isolation
from tokengraft.evaluation.code_tasks.settings import CodeTasksConfig, check
from tokengraft.progress import bar

Answers = dict[tuple[str, int], dict[str, Any]]


def run_code_tasks(model: Any, tokenizer: Any, settings: CodeTasksConfig) -> CodeTaskResults:
    """Results of the model on every benchmark: references, answers, programs, figures, in this order.

    `model` is a path, a hub id or a loaded causal LM; `tokenizer` a Hugging Face tokenizer, or None for the one beside
    the model. Everything is written to `settings.out`: `samples.jsonl`, `verdicts.jsonl`, `references.jsonl` and
    `dropped.json` for each benchmark, and `results.json`. The same call on the same folder goes on where it stopped.

    Raises:
        ConfigError: settings that contradict themselves, a benchmark or interpreter that is not there, or programs
            that the user has not allowed to be run.
        RunFolderError: the folder holds another evaluation, or cannot be written.
        ModelError: the model cannot be loaded.
    """
    tasks, world, grader = _prepared(settings)
    cleaned = _cleaned(tasks, grader, world, settings)
    _answer_all(model, tokenizer, tasks, settings)
    name = model if isinstance(model, str) else str(getattr(model, "name_or_path", "") or type(model).__name__)
    return _graded(name, tasks, grader, world, cleaned, settings)


def grade_code_tasks(settings: CodeTasksConfig) -> CodeTaskResults:
    """Results of the answers that are in the folder, without a model and without torch.

    Raises:
        ConfigError: as `run_code_tasks`, and where there is no answer.
    """
    tasks, world, grader = _prepared(settings)
    out = Path(settings.out)
    known = [places.read_json(places.task_folder(out, task) / places.IDENTITY) for task in tasks]
    if not all(known):
        lacking = ", ".join(task.name for task, there in zip(tasks, known, strict=True) if not there)
        raise ConfigError(
            found=f"no answers to {lacking} in {out}", expected="samples.jsonl of an evaluation",
            do="generate them first: the same command without --grade-only, with a model",
        )  # fmt: skip
    cleaned = _cleaned(tasks, grader, world, settings)
    return _graded(known[0]["model"], tasks, grader, world, cleaned, settings)


def check_references(settings: CodeTasksConfig) -> dict[str, Cleaning]:
    """For each benchmark which reference solutions pass in the grader's environment; no model is needed.

    Raises:
        ConfigError: as `run_code_tasks`.
    """
    tasks, world, grader = _prepared(settings)
    return _cleaned(tasks, grader, world, replace(settings, clean=True))


def _prepared(settings: CodeTasksConfig) -> tuple[list[Task], Environment, Grader]:
    check(settings)
    tasks = [load_task(name, data=settings.data, limit=settings.limit, asked=settings.form) for name in settings.tasks]
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ConfigError(found=f"tasks {', '.join(names)}", expected="each once", do="rename one of the files")
    modules = {module for task in tasks for needed in modules_of(task).values() for module in needed}
    world = environment(settings.python, modules)
    runner = Runner(
        settings.python,
        limits=settings.limits,
        keep=settings.keep_environment,
        workers=settings.workers or os.cpu_count() or 1,
    )
    mark = json.dumps([world.to_dict(), asdict(settings.limits)], sort_keys=True)
    return tasks, world, Grader(runner, settings.seconds, hashlib.sha256(mark.encode()).hexdigest())


def _cleaned(tasks: list[Task], grader: Grader, world: Environment, settings: CodeTasksConfig) -> dict[str, Cleaning]:
    if not settings.clean:
        return {task.name: Cleaning({}, 0, 0) for task in tasks}
    return {task.name: clean(task, grader, world, _folder(task, settings)) for task in tasks}


def _answer_all(model: Any, tokenizer: Any, tasks: list[Task], settings: CodeTasksConfig) -> None:
    from tokengraft.evaluation.code_tasks.generation import backends  # noqa: PLC0415 - torch begins here

    backend = backends.get(settings.backend)(model, tokenizer, settings)
    name = model if isinstance(model, str) else str(getattr(model, "name_or_path", "") or type(model).__name__)
    for task in tasks:
        wanted = places.identity(task, settings, name, backend.fingerprint)
        places.claim(_folder(task, settings), wanted)
    for task in tasks:
        _answer(task, backend, settings)


def _answer(task: Task, backend: Any, settings: CodeTasksConfig) -> None:
    from tokengraft.evaluation.code_tasks.generation import Answer, Sampling, requests_for  # noqa: PLC0415

    folder = _folder(task, settings)
    ledger, known = Ledger(folder / "samples.jsonl"), places.samples_of(folder)
    longest = settings.max_new_tokens or task.format.max_new_tokens
    requests, hopeless = requests_for(
        _wanted(task, known, settings), backend, max_new_tokens=longest, seed=settings.seed
    )
    records = {problem.task_id: problem.record for problem in task.problems}

    def row(answer: Answer) -> dict[str, Any]:
        solution = task.format.solution(records[answer.task_id], answer.text, settings.form)
        return {
            "task_id": answer.task_id, "sample": answer.sample, "answer": answer.text, "solution": solution,
            "ended": answer.ended, "tokens": answer.tokens, "prompt_tokens": answer.prompt_tokens,
        }  # fmt: skip

    if hopeless:
        ledger.add(row(answer) for answer in hopeless)
    with bar(len(task.problems) * settings.samples, f"{task.name} answers", "answer", initial=len(known)) as progress:
        progress.update(len(hopeless))
        for answers in backend.generate(requests, Sampling(settings.temperature, settings.top_p)):
            ledger.add(row(answer) for answer in answers)
            progress.update(len(answers))


def _wanted(
    task: Task, known: Mapping[tuple[str, int], Any], settings: CodeTasksConfig
) -> Iterator[tuple[str, int, Prompt]]:
    for problem in task.problems:
        for sample in range(settings.samples):
            if (problem.task_id, sample) not in known:
                yield problem.task_id, sample, task.format.prompt(problem.record, settings.form)


def _graded(
    model: str,
    tasks: list[Task],
    grader: Grader,
    world: Environment,
    cleaned: Mapping[str, Cleaning],
    settings: CodeTasksConfig,
) -> CodeTaskResults:
    results = [_grade(task, grader, cleaned[task.name], settings) for task in tasks]
    out = Path(settings.out)
    whole = CodeTaskResults(model, settings.form, out, isolation().described(), world.to_dict(), results)
    atomic.write_json(out / "results.json", whole.to_dict())
    return whole


def _grade(task: Task, grader: Grader, cleaned: Cleaning, settings: CodeTasksConfig) -> TaskResult:
    folder = _folder(task, settings)
    answers = places.samples_of(folder)
    places.write_official(folder, task, settings, answers)
    verdicts = grader.grade(
        _programs(task, answers, cleaned, settings), Ledger(folder / "verdicts.jsonl"), f"{task.name} programs"
    )
    too_long = {key: row for key, row in answers.items() if row["ended"] == "context"}
    verdicts |= {key: {"passed": False, "status": "context"} for key in too_long}
    figures = score(
        task.name,
        problems=[problem.task_id for problem in task.problems],
        dropped=cleaned.dropped,
        verdicts=verdicts,
        answers=answers,
        samples=settings.samples,
        ks=settings.ks,
        references_passed=cleaned.share,
    )
    return replace(figures, unreadable=task.unreadable, missing_modules=cleaned.missing_modules)


def _programs(
    task: Task, answers: Answers, cleaned: Cleaning, settings: CodeTasksConfig
) -> Iterator[tuple[tuple[str, int], Program]]:
    for problem in task.problems:
        for sample in range(settings.samples):
            row = answers.get((problem.task_id, sample))
            if row and row["ended"] != "context" and problem.task_id not in cleaned.dropped:
                yield (problem.task_id, sample), task.format.program(problem.record, row["solution"])


def _folder(task: Task, settings: CodeTasksConfig) -> Path:
    return places.task_folder(Path(settings.out), task)
