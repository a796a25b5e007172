"""`tokengraft expand`: the whole flow on the user's model."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import NULL, Device, Out, Seed, Settings, Size, Steps, Threads, assignments, nested


def expand(
    config: Annotated[Path | None, Parameter(help="Settings in YAML or TOML; flags come over them.")] = None,
    /,
    *,
    model: Annotated[str | None, Parameter(help="Model folder or hub id.")] = None,
    corpus: Annotated[
        str | None, Parameter(help="Folder, .txt, .jsonl[.gz|.zst], parquet file, or hub:owner/name.")
    ] = None,
    field: Annotated[str | None, Parameter(help="Name of the text field in the corpus.")] = None,
    general: Annotated[str | None, Parameter(help="Text outside the domain, for what is forgotten.")] = None,
    replay: Annotated[str | None, Parameter(help="Other such text, read along in training.")] = None,
    recipe: Annotated[
        str | None, Parameter(help="A recipe that comes with tokengraft: see tokengraft recipes.")
    ] = None,
    control: Annotated[str | None, Parameter(help="base: train the base beside it on the same documents.")] = None,
    size: Size = None,
    steps: Steps = None,
    phase_steps: Annotated[int | None, Parameter(help="Steps of each later phase, in place of its own.")] = None,
    out: Out = None,
    device: Device = None,
    seed: Seed = None,
    threads: Threads = None,
    trust_remote_code: Annotated[bool | None, Parameter(help="Run code that comes with the model.")] = None,
    settings: Settings = None,
) -> None:
    """Give a model new tokens from a corpus: choose, extend, grow, initialise, distil, measure, report.

    The same command on the same folder goes on where a stopped run was.
    """
    from tokengraft.cli.phase_options import with_steps
    from tokengraft.cli.summary import print_summary
    from tokengraft.config import RunConfig, as_mappings, merged, read_settings
    from tokengraft.recipes import read_recipe

    given = {
        "model": model,
        "corpus.path": corpus,
        "corpus.field": field,
        "general.path": general,
        "replay.path": replay,
        "control": control,
        "tokens.size": size,
        "distill.steps": steps,
        "distill.epochs": None if steps is None else NULL,
        "out": out,
        "device": device,
        "seed": seed,
        "threads": threads,
        "trust_remote_code": trust_remote_code,
    }
    flags = nested({**given, **assignments(settings)})
    laid = as_mappings(read_recipe(recipe)) if recipe else {}
    laid = merged(laid, as_mappings(read_settings(config)) if config else {})
    chosen = RunConfig.from_dict(with_steps(merged(laid, flags), phase_steps))

    from tokengraft.pipeline import expand as run

    print_summary(run(chosen))
