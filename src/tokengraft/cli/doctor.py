"""`tokengraft doctor`: what is wrong with a model, its tokenizer, its adapter, its data and its training."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def doctor(
    model: Annotated[str, Parameter(help="Model folder or hub id.")],
    /,
    *,
    tokenizer: Annotated[str | None, Parameter(help="Where it is not in the model's folder.")] = None,
    base: Annotated[str | None, Parameter(help="The model before tokens were added or rows trained.")] = None,
    data: Annotated[Path | None, Parameter(help=".jsonl of batches, of ids, of texts, or of messages.")] = None,
    adapter: Annotated[str | None, Parameter(help="Folder of a PEFT adapter on this model.")] = None,
    train_config: Annotated[Path | None, Parameter(help="JSON or YAML of training settings (docs/doctor.md).")] = None,
    check: Annotated[list[str] | None, Parameter(help="Run this check alone; may be repeated.")] = None,
    forward: Annotated[
        bool | None, Parameter(help="Load the model for the checks that need it; unset: up to 1 GiB.")
    ] = None,
    fix: Annotated[bool, Parameter(help="Apply the safe repairs to a copy in --out.", negative="")] = False,
    out: Annotated[Path | None, Parameter(help="Folder of the repaired copy.")] = None,
    json: Annotated[bool, Parameter(help="Print JSON.", negative="")] = False,
) -> None:
    """Find faults in a model folder and what belongs to it, with evidence and the remedy. Exit code 1 on errors.

    Tables are streamed from safetensors; checks for which nothing was given are skipped and say what they need.
    """
    from tokengraft.cli.findings import print_examination
    from tokengraft.errors import ConfigError

    if fix != (out is not None):
        raise ConfigError(found="--fix without --out, or --out without --fix", expected="both", do="give both")
    from tokengraft.diagnosis import examine, open_case, read_records, repair

    records = read_records(data) if data else None
    case = open_case(model, tokenizer, base=base, data=records, adapter=adapter, training=train_config, forward=forward)
    result = examine(case, check)
    done = repair(case, result.findings, out) if fix and out else []
    print_examination(result, done, as_json=json, out=out)
    if result.errors:
        raise SystemExit(1)
