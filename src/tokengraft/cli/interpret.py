"""`tokengraft interpret`: where the new rows of a model went."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def interpret(
    model: Annotated[str, Parameter(help="Folder of an extended model.")],
    base: Annotated[str, Parameter(help="Folder or hub id of the model that was extended.")],
    /,
    *,
    before: Annotated[str | None, Parameter(help="The same model before training, to compare with.")] = None,
    corpus: Annotated[str | None, Parameter(help="Text in which new tokens take the place of their pieces.")] = None,
    token: Annotated[str | None, Parameter(help="Text of a new token, for the logit lens by layer.")] = None,
    k: Annotated[int, Parameter(help="Nearest old tokens shown for each.")] = 5,
    out: Annotated[Path | None, Parameter(help="Folder for plots and interpret.json.")] = None,
    json: Annotated[bool, Parameter(help="Print JSON.")] = False,
) -> None:
    """Show how new rows lie to their pieces and neighbours, and whether the model can tell a token from its pieces."""
    from tokengraft.cli.printing import print_interpretation
    from tokengraft.interpret.describe import interpret_folder

    found = interpret_folder(model, base, before=before, corpus=corpus, token=token, k=k)
    if out is not None:
        from tokengraft.interpret.plots import write_plots

        write_plots(found, out)
    print_interpretation(found, as_json=json)
