"""`tokengraft graft`: grow a model for an extended tokenizer and initialise its new rows."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.method_names import method_names

METHODS = ", ".join(method_names("init", "initialisers"))


def graft(
    model: Annotated[str, Parameter(help="Folder or hub id of the base model.")],
    extension: Annotated[str, Parameter(help="Folder with its extended tokenizer, as `extend` or a run wrote it.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="New folder for model and tokenizer.")],
    inputs: Annotated[str, Parameter(help=f"How input rows start: {METHODS}.")] = "exponential",
    head: Annotated[str, Parameter(help="How head rows start: any of them.")] = "first-subtoken",
    calibrate: Annotated[bool, Parameter(help="Scale new rows to the median norm of the old ones.")] = False,
    corpus: Annotated[str | None, Parameter(help="Text of the domain, for methods that are made from some.")] = None,
    replay: Annotated[str | None, Parameter(help="Text outside the domain, for the same.")] = None,
    donor: Annotated[str | None, Parameter(help="Model that omp and transfer carry rows over from.")] = None,
    names: Annotated[str | None, Parameter(help="YAML file of words of like meaning, for similar.")] = None,
    descriptions: Annotated[str | None, Parameter(help="YAML file of descriptions, for description.")] = None,
    seed: int = 0,
    device: str = "auto",
    json: Annotated[bool, Parameter(help="Print JSON.")] = False,
) -> None:
    """Grow a model for an extended tokenizer and initialise the new rows; old rows stay bit for bit."""
    from tokengraft.config import InitConfig

    settings = InitConfig(inputs, head, calibrate, donor=donor, names=names, descriptions=descriptions)

    from tokengraft.cli.printing import print_facts
    from tokengraft.stages.folders import corpus_of, graft_folder

    facts = graft_folder(
        model, extension, out, settings, corpus=corpus_of(corpus), replay=corpus_of(replay), seed=seed, device=device
    )
    print_facts(facts, as_json=json)
