"""`tokengraft distill`: train the new rows of a grafted model, taught by the base's own tokenization."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.method_names import method_names
from tokengraft.cli.options import Settings, assignments, nested

OBJECTIVES = ", ".join((*method_names("losses", "input_objectives"), *method_names("losses", "state_objectives")))
HEADS = ", ".join(method_names("losses", "head_objectives"))


def distill(
    model: Annotated[str, Parameter(help="Folder of a grafted model.")],
    base: Annotated[str, Parameter(help="Folder or hub id of the model that was extended.")],
    /,
    *,
    corpus: Annotated[str, Parameter(help="Text of the domain to train on.")],
    out: Annotated[Path, Parameter(help="New folder for the trained model.")],
    replay: Annotated[str | None, Parameter(help="Text outside the domain, read along.")] = None,
    steps: Annotated[int | None, Parameter(help="Distillation steps.")] = None,
    objective: Annotated[str | None, Parameter(help=f"Of the input rows: {OBJECTIVES}, or a sum: kl + 0.5*ce.")] = None,
    head_objective: Annotated[str | None, Parameter(help=f"Of the head: {HEADS}, or a sum.")] = None,
    seed: int = 0,
    device: str = "auto",
    profile: Annotated[bool, Parameter(help="Print where the steps' time and memory went.")] = False,
    settings: Settings = None,
    json: Annotated[bool, Parameter(help="Print JSON.")] = False,
) -> None:
    """Train the new rows of a grafted model, and nothing else; a stopped call goes on."""
    from tokengraft.config import DistillConfig, build, check_ranges, merged

    given = {"distill.steps": steps, "distill.objective": objective, "distill.head_objective": head_objective}
    flags = nested({**given, **assignments(settings)})
    chosen = build(DistillConfig, merged({}, flags.get("distill", {})), "distill.")
    check_ranges(chosen, "distill.")

    from tokengraft.cli.printing import print_facts
    from tokengraft.cli.profiled import profiled
    from tokengraft.config import CorpusConfig
    from tokengraft.stages.folders import corpus_of, distill_folder

    with profiled(device, wanted=profile):
        facts, _ = distill_folder(
            model, base, out, CorpusConfig(corpus), chosen, replay=corpus_of(replay), seed=seed, device=device
        )
    print_facts(facts, as_json=json)
