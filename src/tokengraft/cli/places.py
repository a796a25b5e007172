"""Folders that a command is to write."""

from pathlib import Path

from tokengraft.errors import RunFolderError


def require_free(folder: Path) -> None:
    """Returns if nothing is there, or an empty folder.

    Raises:
        RunFolderError: something is.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(
            found=f"{folder}, which is there already",
            expected="a new or empty folder",
            do="name another, or move what is there",
        )
