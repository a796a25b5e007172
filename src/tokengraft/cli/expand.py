"""`tokengraft expand`: the whole flow on the user's model."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Device, Out, Seed, Settings, Size, Steps, Threads, assignments, nested


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
    size: Size = None,
    steps: Steps = None,
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
    from tokengraft.cli.summary import print_summary
    from tokengraft.config import RunConfig, as_mappings, merged, read_settings

    given = {
        "model": model,
        "corpus.path": corpus,
        "corpus.field": field,
        "general.path": general,
        "replay.path": replay,
        "tokens.size": size,
        "distill.steps": steps,
        "out": out,
        "device": device,
        "seed": seed,
        "threads": threads,
        "trust_remote_code": trust_remote_code,
    }
    flags = nested({**given, **assignments(settings)})
    chosen = RunConfig.from_dict(merged(as_mappings(read_settings(config)) if config else {}, flags))

    from tokengraft.pipeline import expand as run

    print_summary(run(chosen))
