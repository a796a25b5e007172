"""Everything about one tokenizer, beside a second one where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tokengraft.config import CorpusConfig
from tokengraft.corpus import check_readable, count_pretokens, stream
from tokengraft.errors import ConfigError
from tokengraft.tokenizer.extended import RECORD, ExtendedTokenizer
from tokengraft.tokenizer.families import Family, Unsupported, recognise
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.inspection.anatomy import Anatomy, anatomy
from tokengraft.tokenizer.inspection.free import FreePlaces, free_places
from tokengraft.tokenizer.inspection.model_files import ModelFacts, model_facts
from tokengraft.tokenizer.inspection.usage import Usage, usage
from tokengraft.tokenizer.inspection.words import WordReport, word_reports
from tokengraft.tokenizer.tokens import shown

SAMPLE = 240
"""Characters of text whose pieces are shown."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found."""

    anatomy: Anatomy
    model: ModelFacts | None
    """None where no model stands beside the tokenizer."""
    free: FreePlaces
    usages: tuple[Usage, ...]
    words: tuple[WordReport, ...]
    sample: tuple[str, ...]
    """The pieces of a stretch of text."""
    sample_other: tuple[str, ...] | None
    other: Anatomy | None
    """The second tokenizer."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "tokenizer": self.anatomy.to_dict(),
            "extended": None if self.other is None else self.other.to_dict(),
            "model": None if self.model is None else self.model.to_dict(),
            "free": self.free.to_dict(),
            "corpora": [entry.to_dict() for entry in self.usages],
            "words": [entry.to_dict() for entry in self.words],
            "sample": list(self.sample),
            "sample_extended": None if self.sample_other is None else list(self.sample_other),
        }


def inspect_tokenizer(
    source: Any,
    corpora: Mapping[str, CorpusConfig] | None = None,
    *,
    extended: Any = None,
    words: Sequence[str] = (),
    text: str | None = None,
    max_documents: int = 2000,
) -> Inspection:
    """What a tokenizer is and does, any family; nothing is changed.

    `corpora`: text by the name that it is to have; the first `max_documents` of each are read. `extended`: a second
    tokenizer beside it, such as the folder of an extension. `words`: those whose splitting is of interest. `text`: what
    is shown in pieces; without it, the beginning of the first corpus.

    Raises:
        TokenizerError: a tokenizer cannot be read.
        CorpusError: a corpus cannot be read, or has no text.
        ConfigError: `max_documents` is below 1, or a word is empty.
        ModelError: a model's file beside the tokenizer is not well formed.
    """
    _check(words, max_documents)
    file = TokenizerFile.load(source)
    other = None if extended is None else _second(extended, file)
    texts = {name: _texts(config, max_documents) for name, config in (corpora or {}).items()}
    found = recognise(file)
    family = None if isinstance(found, Unsupported) else found
    every = [each for several in texts.values() for each in several]
    facts = model_facts(source) if isinstance(source, str | Path) else None
    shown_text = text if text is not None else _beginning(every)
    return Inspection(
        anatomy=anatomy(file),
        model=facts,
        free=free_places(file, facts, family, _counts(family, every)),
        usages=tuple(usage(name, several, file, other, family) for name, several in texts.items()),
        words=tuple(word_reports(words, file, every, other)),
        sample=_pieces(file, shown_text),
        sample_other=None if other is None else _pieces(other, shown_text),
        other=None if other is None else anatomy(other),
    )


def _check(words: Sequence[str], max_documents: int) -> None:
    if max_documents < 1:
        raise ConfigError(found=f"max_documents = {max_documents}", expected="1 or more", do="raise it")
    if any(not word.strip() for word in words):
        raise ConfigError(found="an empty word", expected="words with something in them", do="leave it out")


def _second(source: Any, base: TokenizerFile) -> TokenizerFile:
    """The second tokenizer; the record of an extension is held against the first."""
    if isinstance(source, ExtendedTokenizer):
        return source.file
    if isinstance(source, str | Path) and (Path(source) / RECORD).is_file():
        return ExtendedTokenizer.load(source, base).file
    return TokenizerFile.load(source)


def _texts(config: CorpusConfig, at_most: int) -> list[str]:
    check_readable(config)
    return [document.text for document in islice(stream(config), at_most)]


def _counts(family: Family | None, texts: Sequence[str]) -> Mapping[str, int] | None:
    if family is None or not texts:
        return None
    return count_pretokens(texts, family.splitter(), max_per_document=1, processes=1)


def _beginning(texts: Sequence[str]) -> str:
    return texts[0].lstrip()[:SAMPLE] if texts else ""


def _pieces(file: TokenizerFile, text: str) -> tuple[str, ...]:
    return tuple(shown(file.token_bytes(number)) for number in file.encode([text])[0]) if text else ()
