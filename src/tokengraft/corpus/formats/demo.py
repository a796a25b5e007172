"""The demo's corpora, made of what is installed on every machine that can run it."""

from collections.abc import Callable, Iterator
from functools import partial

from tokengraft.corpus.formats import Format, formats
from tokengraft.corpus.python_sources import domain_texts, general_texts, heldout_texts
from tokengraft.corpus.text import Document

TEXTS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "demo:domain": domain_texts,
    "demo:general": partial(heldout_texts, reported=True),
    "demo:choice": partial(heldout_texts, reported=False),
    "demo:replay": partial(general_texts, heldout=False),
}


@formats.register("demo")
class DemoFormat(Format):
    """Python source on every machine: `demo:domain`, `demo:general`, `demo:choice`, `demo:replay`.

    The domain is transformers and torch, unknown to the bundled model. Replay is the standard library that the model
    was trained on, general text and choice two parts of what was held out of it: figures are reported on the one,
    settings chosen on the other.
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
