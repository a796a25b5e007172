"""`tokengraft eval`: measure a model beside its base."""

from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Device, Seed, Settings, Threads, assignments, nested


def eval(  # noqa: A001 (the command's name)
    model: Annotated[str, Parameter(help="Model folder or hub id; or a run's folder: its model, base and text.")],
    /,
    *,
    base: Annotated[str | None, Parameter(help="The model that was extended.")] = None,
    control: Annotated[str | None, Parameter(help="Base tokenizer, trained on the same text.")] = None,
    domain: Annotated[str | None, Parameter(help="Held-out text: what models were not trained on.")] = None,
    general: Annotated[str | None, Parameter(help="Text outside the domain, for what is forgotten.")] = None,
    field: Annotated[str | None, Parameter(help="Name of the text field in the domain's records.")] = None,
    out: Annotated[str | None, Parameter(help="Folder for figures and page; a stopped evaluation goes on.")] = None,
    lm_eval: Annotated[str | None, Parameter(help="Tasks of lm-eval, or a task file: arc_easy,mine.yaml")] = None,
    tasks: Annotated[str | None, Parameter(help="bigcodebench,ds1000,humaneval,mbpp,mine.jsonl")] = None,
    data: Annotated[str | None, Parameter(help="Folder of benchmark files; else they come from the hub.")] = None,
    python: Annotated[str | None, Parameter(help="Interpreter that grades programs.")] = None,
    allow_code_execution: Annotated[bool | None, Parameter(help="Run what models write. This is no sandbox.")] = None,
    device: Device = None,
    dtype: Annotated[str | None, Parameter(help="float32, bfloat16, float16 or auto.")] = None,
    seed: Seed = None,
    threads: Threads = None,
    trust_remote_code: Annotated[bool | None, Parameter(help="Run code that comes with a model.")] = None,
    json: Annotated[bool, Parameter(help="Print the figures as JSON.", negative="")] = False,
    settings: Settings = None,
) -> None:
    """Measure a model on held-out text: bits per byte, retention, new tokens, speed; and on tasks."""
    given = {
        "model": model, "base": base, "control": control, "domain.path": domain, "domain.field": field,
        "general.path": general, "out": out, "lm_eval.tasks": lm_eval.split(",") if lm_eval else None,
        "code.tasks": tasks.split(",") if tasks else None, "code.data": data, "code.python": python,
        "code.allow_code_execution": allow_code_execution,
        "device": device, "dtype": dtype, "seed": seed, "threads": threads, "trust_remote_code": trust_remote_code,
    }  # fmt: skip
    flags = nested({**given, **assignments(settings)})

    from tokengraft.cli.eval_summary import print_evaluation
    from tokengraft.stages.eval_plan import EvalPlan
    from tokengraft.stages.evaluate import evaluate_models

    print_evaluation(evaluate_models(EvalPlan.from_dict(flags)), json)
