"""Uploading an export, on request alone."""

from pathlib import Path

from huggingface_hub import HfApi

from tokengraft.errors import ExportError


def push_folder(folder: Path, repository: str) -> str:
    """Address of the hub repository that now holds the folder; it is made, private, where there is none.

    Raises:
        ExportError: nobody is logged in, the hub refuses, or it cannot be reached.
    """
    hub = HfApi()
    try:
        hub.create_repo(repository, private=True, exist_ok=True)
        return str(hub.upload_folder(folder_path=folder, repo_id=repository))
    except Exception as error:  # errors of the hub's client and of the library under it share no class
        raise ExportError(
            found=f"a hub that did not take {repository}: {error}",
            expected="a login that may write there",
            do="run `hf auth login`, check the name, and push again; the folder is complete",
        ) from error
