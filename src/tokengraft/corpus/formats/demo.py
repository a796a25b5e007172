"""The demo's corpora, made of what is installed on every machine that can run it."""

from collections.abc import Callable, Iterator
from functools import partial

from tokengraft.corpus.formats import Format, formats
from tokengraft.corpus.python_sources import domain_texts, general_texts
from tokengraft.corpus.text import Document

TEXTS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "demo:domain": domain_texts,
    "demo:general": partial(general_texts, heldout=True),
    "demo:replay": partial(general_texts, heldout=False),
}


@formats.register("demo")
class DemoFormat(Format):
    """Python source on every machine: `demo:domain` (transformers, torch), `demo:general`, `demo:replay` (see below).

    The domain is unknown to the bundled model. Replay is the standard library that the model was trained on, general
    text the files of it that were held out.
    """

    forms = ", ".join(TEXTS)

    @classmethod
    def claims(cls, location: str) -> bool:
        """Whether the location is one of the names."""
        return location in TEXTS

    def documents(self) -> Iterator[Document]:
        """Each file, in the order of their paths."""
        for name, text in TEXTS[self.source.location]():
            yield Document(name, text)
