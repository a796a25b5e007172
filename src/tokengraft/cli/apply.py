"""`tokengraft apply`: a patch on a fresh copy of its base."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def apply(
    patch: Annotated[Path, Parameter(help="Patch file, or the folder that export wrote it to.")],
    base: Annotated[str, Parameter(help="Folder or hub id of the untouched base model.")],
    /,
    *,
    out: Annotated[Path, Parameter(help="New folder for the extended model.")],
) -> None:
    """Make the extended model out of its base and a patch, bit for bit as it was exported."""
    from tokengraft.exporting.patch import apply_patch

    print(apply_patch(patch, base, out))
