"""A folder: source code, texts, or files of records."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from tokengraft.corpus.formats import Format, format_of, formats, open_source
from tokengraft.corpus.text import Document, decode, is_binary, reading
from tokengraft.errors import CorpusError

LEFT_OUT = frozenset({"__pycache__", "node_modules", "CVS"})
"""Folders that hold nothing of the project's own, besides the hidden ones."""

COMPANIONS = frozenset({"readme", "license", "licence", "_success"})
"""Files (without suffix) that come with data and do not make a folder of records one of texts."""


@formats.register("folder")
class Folder(Format):
    """A folder: a document from each text file; or, where it holds files of records alone, all of their documents."""

    forms = "a folder"

    @classmethod
    def claims(cls, location: str) -> bool:
        """Whether the location is a folder."""
        return os.path.isdir(location)

    def documents(self) -> Iterator[Document]:
        """Documents in the order of their files' relative paths, which name them; binary files are passed over."""
        names = self._names()
        if readers := self._readers(names):
            for reader in readers:
                yield from reader.documents()
        else:
            for name in names:
                yield from self._document(name)

    def check(self) -> None:
        """Reads the first record of each file of records."""
        for reader in self._readers(self._names()):
            next(reader.documents(), None)

    def _names(self) -> list[str]:
        source = self.source
        return [
            name
            for name in sorted(walk(source.location, source.skipped))
            if not source.config.include or any(matches(name, pattern) for pattern in source.config.include)
        ]

    def _readers(self, names: list[str]) -> list[Format]:
        """Readers of the files of records, if there is nothing else here."""
        records = [name for name in names if _holds_records(self._path(name))]
        others = set(names).difference(records)
        if any(PurePosixPath(name).stem.lower() not in COMPANIONS for name in others):
            return []
        return [open_source(replace(self.source, location=self._path(name), name=_shown(name))) for name in records]

    def _document(self, name: str) -> Iterator[Document]:
        path, encoding = self._path(name), self.source.config.encoding
        with reading(path):
            data = Path(path).read_bytes()
        if is_binary(data, encoding):
            self.source.skipped["binary"] += 1
            return
        try:
            yield Document(_shown(name), decode(data, encoding))
        except UnicodeError:
            self.source.skipped[f"not {encoding}"] += 1

    def _path(self, name: str) -> str:
        return os.path.join(self.source.location, name)


def walk(root: str, skipped: Counter[str]) -> Iterator[str]:
    """Relative paths of the regular files under a folder, hidden and left-out ones apart, in no order.

    Links are passed over: one that leads out is not of this corpus, and one that stays is a second copy, which could
    bring a document of one part into another.
    """
    for folder, folders, files in os.walk(root, onerror=_unlistable):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in LEFT_OUT]
        for name in files:
            path = Path(folder, name)
            if path.is_symlink():
                skipped["symbolic link"] += 1
            elif not name.startswith(".") and path.is_file():
                yield path.relative_to(root).as_posix()


def matches(name: str, pattern: str) -> bool:
    """Whether a relative path fits a glob pattern; one without `/` is about the file's name, and `**/` may be nothing.

    >>> matches("rtl/uart/tx.v", "*.v"), matches("rtl/tx.v", "rtl/**/*.v"), matches("rtl/tx.v", "sim/*.v")
    (True, True, False)
    """
    name = name if "/" in pattern else PurePosixPath(name).name
    return fnmatchcase(name, pattern) or fnmatchcase(name, pattern.replace("**/", ""))


def _holds_records(path: str) -> bool:
    found = format_of(path)
    return found is not None and found.holds_records


def _shown(name: str) -> str:
    r"""A path as text that can be written anywhere: bytes that are not UTF-8 as `\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _unlistable(error: OSError) -> None:
    raise CorpusError(
        found=f"{error.filename}: {error.strerror}", expected="a folder that can be listed", do="check its permissions"
    ) from error
