"""`tokengraft report`: draw a run's page again."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def report(run: Annotated[Path, Parameter(help="Folder of a run.")], /) -> None:
    """Draw the page of a finished run again, and print where it is."""
    from tokengraft.reporting import write_report

    print(write_report(run))
