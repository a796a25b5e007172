"""The one stream of documents that everything else reads, whatever the corpus is kept in."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tokengraft.config import CorpusConfig
from tokengraft.corpus.formats import Format, Source, open_source
from tokengraft.corpus.text import Document, require_encoding
from tokengraft.errors import ConfigError, CorpusError

CHECKED = 32
"""Documents that are read before long work, to see that they can be."""


def stream(config: CorpusConfig, skipped: Counter[str] | None = None) -> Iterator[Document]:
    r"""The documents of a corpus, one at a time, in an order that is the same on every machine.

    Texts that are empty are passed over, and so are those with a lone surrogate (`\ud800` in JSON), which no tokenizer
    can encode. `skipped` receives how many files and texts were passed over, by reason.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "b.py").write_text("x = 1")
    ...     _ = Path(folder, "a.py").write_text("import os")
    ...     [document.name for document in stream(CorpusConfig(folder))]
    ['a.py', 'b.py']

    Raises:
        CorpusError: at once, when nothing readable is there; while streaming, at a broken record; at the end, when no
            document had any text.
        ConfigError: the encoding is unknown, or `max_documents` is below 1.
    """
    skipped = Counter() if skipped is None else skipped
    return _with_text(_open(config, skipped).documents(), config, skipped)


def check_readable(config: CorpusConfig) -> None:
    """Returns if a corpus can be read as far as its first documents show; cheap, for before long work.

    Raises:
        CorpusError: nothing is there, it is binary or in another encoding, it has no text, or a field is missing.
        ConfigError: the encoding is unknown, or `max_documents` is below 1.
    """
    _open(config, Counter()).check()
    for _ in islice(stream(config), CHECKED):
        pass


def _open(config: CorpusConfig, skipped: Counter[str]) -> Format:
    require_encoding(config.encoding)
    if config.max_documents is not None and config.max_documents < 1:
        raise ConfigError(
            found=f"max_documents = {config.max_documents}", expected="1 or more", do="raise it, or leave it out"
        )
    location = os.path.expanduser(config.path)
    return open_source(Source(location, Path(location).name, config, skipped))


def _with_text(documents: Iterable[Document], config: CorpusConfig, skipped: Counter[str]) -> Iterator[Document]:
    kept = 0
    for document in documents:
        if fault := _fault(document.text):
            skipped[fault] += 1
            continue
        kept += 1
        yield document
        if kept == config.max_documents:
            return
    if not kept:
        raise _no_text(config, skipped)


def _fault(text: str) -> str | None:
    """Why a text cannot be used, if it cannot."""
    if not text or text.isspace():
        return "empty"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "lone surrogate"
    return None


def _no_text(config: CorpusConfig, skipped: Counter[str]) -> CorpusError:
    passed_over = ", ".join(f"{number} {reason}" for reason, number in sorted(skipped.items()))
    wanted = f" that match {', '.join(config.include)}" if config.include else ""
    return CorpusError(
        found=f"0 documents in {config.path}{wanted} (passed over: {passed_over or 'none'})",
        expected="at least one text",
        do="check the path, `include`, `field` and `encoding`",
    )
