"""`tokengraft code-tasks`: benchmarks of code."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def code_tasks(
    model: Annotated[
        str | None, Parameter(help="Model folder or hub id; not needed to grade or for references.")
    ] = None,
    /,
    *,
    tasks: Annotated[str, Parameter(help="bigcodebench,ds1000,humaneval,mbpp, NAME=FILE, or FILE.jsonl[.gz].")],
    out: Annotated[str, Parameter(help="Folder of the evaluation; a stopped one in it goes on.")],
    allow_code_execution: Annotated[
        bool, Parameter(help="Run programs that the model wrote. This is no sandbox.")
    ] = False,
    data: Annotated[str | None, Parameter(help="Folder of benchmark files; else they come from the hub.")] = None,
    form: Annotated[Literal["completion", "chat"], Parameter(help="Go on with the text, or ask.")] = "completion",
    limit: Annotated[int | None, Parameter(help="Only the first so many problems of each.")] = None,
    samples: Annotated[int, Parameter(help="Answers to each problem.")] = 1,
    temperature: Annotated[float, Parameter(help="0: greedy.")] = 0.0,
    top_p: float = 1.0,
    k: Annotated[str, Parameter(help="The k of pass@k, with commas between them.")] = "1",
    max_new_tokens: Annotated[int | None, Parameter(help="Longest answer; else the benchmark's own.")] = None,
    batch_size: int = 8,
    backend: Annotated[Literal["transformers", "vllm"], Parameter(help="What generates.")] = "transformers",
    python: Annotated[str | None, Parameter(help="Interpreter that programs are run with.")] = None,
    workers: Annotated[int | None, Parameter(help="Programs run at one time.")] = None,
    seconds: Annotated[float | None, Parameter(help="Time of a program; else the benchmark's own.")] = None,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 0,
    trust_remote_code: bool = False,
    grade_only: Annotated[bool, Parameter(negative=(), help="Grade the answers that are in the folder.")] = False,
    references: Annotated[bool, Parameter(negative=(), help="Run the reference solutions alone.")] = False,
    clean: Annotated[bool, Parameter(help="Leave out problems whose own reference fails here.")] = True,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
) -> None:
    """Let a model solve code problems, run what it writes, and count what passes."""
    from tokengraft.cli.code_tasks_summary import numbers, print_references, print_results, refuse_no_model
    from tokengraft.evaluation.code_tasks import CodeTasksConfig, check_references, grade_code_tasks, run_code_tasks

    settings = CodeTasksConfig(
        tasks=tuple(filter(None, tasks.split(","))), out=str(Path(out).expanduser()), data=data, form=form, limit=limit,
        allow_code_execution=allow_code_execution, samples=samples, temperature=temperature, top_p=top_p,
        ks=numbers(k), max_new_tokens=max_new_tokens, seed=seed, backend=backend, batch_size=batch_size, device=device,
        dtype=dtype, trust_remote_code=trust_remote_code, python=python, workers=workers, seconds=seconds, clean=clean,
    )  # fmt: skip
    if references:
        print_references(check_references(settings), settings, as_json=json)
    elif grade_only:
        print_results(grade_code_tasks(settings), as_json=json)
    else:
        print_results(run_code_tasks(refuse_no_model(model), None, settings), as_json=json)
