"""`tokengraft train`: one phase or several on a model that has its new tokens already."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Device, Out, Seed, Threads, assignments, nested

HELP_PHASE = "tables, lora, trainable-tokens, sequential, full, warm-up or rows; several run one after the other."
HELP_SET = "Any other setting; those of the phases by phase.NAME: --set phase.rank=8"


def train(
    config: Annotated[Path | None, Parameter(help="Settings in YAML or TOML; flags come over them.")] = None,
    /,
    *,
    model: Annotated[str | None, Parameter(help="Model folder with its extended tokenizer, or a run's folder.")] = None,
    phase: Annotated[list[str] | None, Parameter(help=HELP_PHASE)] = None,
    corpus: Annotated[str | None, Parameter(help="As in expand.")] = None,
    field: Annotated[str | None, Parameter(help="Name of the text field in the corpus.")] = None,
    general: Annotated[str | None, Parameter(help="Text outside the domain, for what is forgotten.")] = None,
    replay: Annotated[str | None, Parameter(help="Other such text, read along in training.")] = None,
    recipe: Annotated[str | None, Parameter(help="Phases that belong together: see tokengraft recipes.")] = None,
    base: Annotated[str | None, Parameter(help="The model that was extended; a run's folder says it itself.")] = None,
    control: Annotated[str | None, Parameter(help="base: train the base beside it on the same documents.")] = None,
    steps: Annotated[int | None, Parameter(help="Steps of each phase.")] = None,
    out: Out = None,
    device: Device = None,
    seed: Seed = None,
    threads: Threads = None,
    settings: Annotated[list[str] | None, Parameter(name="--set", help=HELP_SET)] = None,
    json: Annotated[bool, Parameter(help="Print the figures as JSON.")] = False,
) -> None:
    """Train a model that has its new tokens: tables, LoRA, new rows, blocks in stages, or everything.

    The same command on the same folder goes on where a stopped training was.
    """
    from tokengraft.cli.phase_options import train_settings
    from tokengraft.cli.summary import print_training

    given = {
        "model": model, "corpus.path": corpus, "corpus.field": field, "general.path": general, "replay.path": replay,
        "control": control, "out": out, "device": device, "seed": seed, "threads": threads,
    }  # fmt: skip
    chosen = train_settings(config, nested({**given, **assignments(settings)}), phase or [], steps, recipe)

    from tokengraft.stages.alone import train_folder

    print_training(train_folder(chosen, base), as_json=json)
