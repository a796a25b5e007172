"""The demo's two corpora, made of what is installed on every machine that can run it."""

from collections.abc import Iterator

from tokengraft.corpus.formats import Format, formats
from tokengraft.corpus.python_sources import domain_texts, general_texts
from tokengraft.corpus.text import Document

DOMAIN, GENERAL = "demo:domain", "demo:general"


@formats.register("demo")
class DemoFormat(Format):
    """Source of transformers and torch (`demo:domain`), or standard-library files held out from the bundled model."""

    forms = f"{DOMAIN} or {GENERAL}"

    @classmethod
    def claims(cls, location: str) -> bool:
        """Whether the location is one of the two names."""
        return location in {DOMAIN, GENERAL}

    def documents(self) -> Iterator[Document]:
        """Each file, in the order of their paths."""
        texts = domain_texts() if self.source.location == DOMAIN else general_texts(heldout=True)
        for name, text in texts:
            yield Document(name, text)
