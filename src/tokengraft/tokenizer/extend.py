"""From a tokenizer and a corpus to the extended tokenizer, every promise checked."""

import dataclasses
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tokengraft.config import CorpusConfig
from tokengraft.corpus import Document, check_readable, count_pretokens, stream
from tokengraft.corpus.draw import draw_pretokens
from tokengraft.errors import ConfigError, CorpusError
from tokengraft.tokenizer.candidates import Choice, Demand, methods
from tokengraft.tokenizer.ceiling import ceiling
from tokengraft.tokenizer.checks import check_allowed, check_extension, require
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.families import Family, family_of
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.measure import describe

Corpus = str | Path | CorpusConfig | Iterable[str | Document]


def extend_tokenizer(
    base: Any,
    corpus: Corpus,
    size: int = 800,
    method: str = "continued-bpe",
    *,
    min_count: int = 2,
    max_per_document: int = 10,
    processes: int | None = None,
    seed: int = 0,
    allow: Collection[str] = (),
) -> ExtendedTokenizer:
    """The tokenizer `base` with up to `size` new tokens chosen from `corpus` by `method`; no file is touched.

    `base`: a folder, a `tokenizer.json`, a hub id, or a loaded tokenizer. `corpus`: a path, a `CorpusConfig`, or texts.
    A pre-token counts at most `max_per_document` times in one document, against boilerplate; a pair must then occur
    `min_count` times to become a token. `processes` count the corpus (None: as many as there are cores). `seed` decides
    the texts of the final checks, whose results stand in `checks`; `allow` names promises whose failure is accepted.
    Where the corpus gives fewer tokens than asked, `shortfall` of the result says so.

    Raises:
        ConfigError: `size` or `min_count` is below 1, the method is unknown, or `allow` names no promise.
        TokenizerError: the tokenizer cannot be read, or cannot be extended soundly.
        CorpusError: the corpus is empty or unreadable, or holds no pair that could become a token.
        CheckError: a promise does not hold for the result.
    """
    demand = _checked(size, min_count)
    methods.get(method)
    check_allowed(allow)
    family = family_of(TokenizerFile.load(base))
    counts = count_corpus(family, corpus, max_per_document=max_per_document, processes=processes)
    return extend_from_counts(family, counts, demand, method, seed=seed, allow=allow)


def extend_from_counts(
    family: Family,
    counts: Mapping[str, int],
    demand: Demand,
    method: str = "continued-bpe",
    *,
    seed: int = 0,
    allow: Collection[str] = (),
) -> ExtendedTokenizer:
    """The extension that `extend_tokenizer` makes, from pre-tokens that are counted already.

    Raises:
        CorpusError: there are no pre-tokens, or no pair among them can become a token.
        CheckError: a promise does not hold for the result.
    """
    if not counts:
        raise CorpusError(
            found="a corpus without text", expected="at least one document with words", do="check the corpus"
        )
    choice = methods.get(method)(family, counts, demand)
    if not choice.merges:
        _refuse_barren(counts, demand)
    extended = _assembled(family, counts, choice, demand, method)
    results = check_extension(extended, _sample_texts(family, counts, seed), seed=seed)
    require(results, allow)
    return dataclasses.replace(extended, checks=tuple(results))


def count_corpus(
    family: Family,
    corpus: Corpus,
    *,
    max_per_document: int = 10,
    processes: int | None = None,
) -> Mapping[str, int]:
    """How often each pre-token of the tokenizer occurs in `corpus`, capped per document.

    Raises:
        CorpusError: the corpus is missing or unreadable.
    """
    return count_pretokens(_texts(corpus), family.splitter(), max_per_document=max_per_document, processes=processes)


def _checked(size: int, min_count: int) -> Demand:
    for name, value in (("size", size), ("min_count", min_count)):
        if value < 1:
            raise ConfigError(found=f"{name} = {value}", expected="1 or more", do=f"raise {name}")
    return Demand(size, min_count)


def _texts(corpus: Corpus) -> Iterator[str]:
    if isinstance(corpus, str | Path | CorpusConfig):
        config = corpus if isinstance(corpus, CorpusConfig) else CorpusConfig(path=str(corpus))
        check_readable(config)
        corpus = stream(config)
    for number, entry in enumerate(corpus):
        text = getattr(entry, "text", entry)
        if not isinstance(text, str) or not _is_unicode(text):
            raise CorpusError(
                found=f"entry {number} of the corpus: {reprlib.repr(entry)}",
                expected="a text without lone surrogates, or a Document with one",
                do="pass an iterable of str",
            )
        yield text


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_barren(counts: Mapping[str, int], demand: Demand) -> None:
    raise CorpusError(
        found=f"no pair of tokens that occurs {demand.min_count} times among {len(counts)} distinct pre-tokens",
        expected="text in which the tokenizer splits words that come again",
        do="give more text or lower min_count; if the text is large, this tokenizer knows the domain already",
    )


def _assembled(
    family: Family, counts: Mapping[str, int], choice: Choice, demand: Demand, method: str
) -> ExtendedTokenizer:
    file = family.extended(choice.merges)
    encoded = family_of(file).words(counts)
    return ExtendedTokenizer(
        base=family.file,
        file=file,
        new_tokens=tuple(describe(family.file, choice.merges, encoded)),
        method=method,
        family=family.name,
        asked=demand.size,
        ceiling=ceiling(family, counts),
        rejects=tuple(choice.rejects),
    )


def _sample_texts(family: Family, counts: Mapping[str, int], seed: int) -> list[str]:
    """Texts that look like the corpus to an encoder: its pre-tokens, drawn as often as they occur."""
    drawn = draw_pretokens(counts, 6400, seed)
    return [family.sample(drawn[start : start + 50]) for start in range(0, len(drawn), 50)]
