"""`tokengraft export`: the model of a run in the form that something else loads."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def export(
    run: Annotated[Path, Parameter(help="Folder of a finished run.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="New folder for the export.")],
    format: Annotated[str, Parameter(help="hf, patch or adapter.")] = "hf",  # noqa: A002
    max_shard_size: Annotated[str | None, Parameter(help='Largest weight file, such as "4GB" (hf).')] = None,
    trust_remote_code: Annotated[bool, Parameter(help="Run code that comes with the model.")] = False,
    push: Annotated[str | None, Parameter(help="Hub repository (owner/name) that the folder is uploaded to.")] = None,
) -> None:
    """Write a run's model in a format, after a fresh process has loaded it and given the same ids and logits."""
    from tokengraft.exporting import export as write

    chosen = {"max_shard_size": max_shard_size, "trust_remote_code": trust_remote_code}
    print(write(run, out, format, **chosen))
    if push is not None:
        from tokengraft.exporting.push import push_folder

        print(push_folder(out, push))
