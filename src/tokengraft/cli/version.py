"""What `tokengraft --version` prints."""

from importlib.metadata import PackageNotFoundError, version


def version_text() -> str:
    """The version of the installed package.

    >>> "tokengraft" in version_text()
    True
    """
    try:
        return f"tokengraft {version('tokengraft')}"
    except PackageNotFoundError:
        return "tokengraft (not installed as a package)"
