"""The ways in which documents are kept. A new one is a new file here: a registered class that says what is its own."""

import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tokengraft.config import CorpusConfig
from tokengraft.corpus.text import Document
from tokengraft.errors import CorpusError
from tokengraft.registry import Registry


@dataclass(frozen=True, slots=True)
class Source:
    """A place that documents are read from."""

    location: str
    """A path, or `hub:owner/name`."""
    name: str
    """What the names of its documents begin with."""
    config: CorpusConfig
    skipped: Counter[str]
    """How many files or texts were passed over, by reason; readers add to it."""


class Format(ABC):
    """A reader of one source."""

    forms: ClassVar[str]
    """How messages write the locations that are this format's own."""
    holds_records: ClassVar[bool] = False
    """Whether it is a file of many documents, each in a named field."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @classmethod
    @abstractmethod
    def claims(cls, location: str) -> bool:
        """Whether a location is this format's own; no two formats claim the same."""

    @abstractmethod
    def documents(self) -> Iterator[Document]:
        """Every document in a fixed order, those without text too.

        Raises:
            CorpusError: something in the source cannot be read.
        """

    def check(self) -> None:
        """Raises what can be known at little cost and does not show in the first documents."""
        return


class FileFormat(Format):
    """A reader of one file, known by how its name ends."""

    suffixes: ClassVar[tuple[str, ...]]

    @classmethod
    def claims(cls, location: str) -> bool:
        """Whether the location is a file with one of the suffixes."""
        return location.lower().endswith(cls.suffixes) and os.path.isfile(location)


formats: Registry[type[Format]] = Registry("corpus format", "tokengraft.corpus.formats")


def format_of(location: str) -> type[Format] | None:
    """The format that claims a location, if one does."""
    return next((entry.function for entry in formats if entry.function.claims(location)), None)


def open_source(source: Source) -> Format:
    """A reader of the source.

    Raises:
        CorpusError: nothing is there, or no format claims it.
    """
    found = format_of(source.location)
    if found is None:
        raise _unclaimed(source.location)
    return found(source)


def _unclaimed(location: str) -> CorpusError:
    expected = ", ".join(entry.function.forms for entry in formats)
    if os.path.exists(location):
        path = Path(location)
        return CorpusError(found=f"{location}: {_kind(path)}", expected=expected, do=_way_out(path))
    do = "check the path"
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", location):
        do += f"; for the hub dataset of that name write hub:{location}"
    return CorpusError(found=f"nothing at {location or 'an empty path'}", expected=expected, do=do)


def _kind(path: Path) -> str:
    if not path.is_file():
        return "neither a file nor a folder"
    return f"a {path.suffix} file" if path.suffix else "a file without a suffix"


def _way_out(path: Path) -> str:
    if path.suffix in {".gz", ".zst"}:
        return "unpack it; or, if it holds JSON Lines, end its name in .jsonl" + path.suffix
    if path.suffix == ".json":
        return "write one JSON object a line and end its name in .jsonl"
    return "give the folder that it is in (`include` narrows it down), or rename it to .txt if it is text"
