"""From a tokenizer and a corpus to the extended tokenizer, every promise checked."""

import dataclasses
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any

from tokengraft.config import CorpusConfig
from tokengraft.corpus import Document, check_readable, count_pretokens, stream
from tokengraft.corpus.draw import draw_pretokens
from tokengraft.errors import ConfigError, CorpusError
from tokengraft.tokenizer.added import describe_added, with_added, without_added
from tokengraft.tokenizer.candidates import Choice, Demand, check_demand, methods, seen_as
from tokengraft.tokenizer.ceiling import ceiling
from tokengraft.tokenizer.checks import check_allowed, check_extension, require
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.families import Family, family_of
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.measure import describe
from tokengraft.tokenizer.request import demand_of, require_guard, require_scorable

Corpus = str | Path | CorpusConfig | Iterable[str | Document]

ALONE = 72
"""Pre-tokens that promises are tried on alone, where there is no held-out text."""


def extend_tokenizer(
    base: Any,
    corpus: Corpus | None = None,
    size: int = 800,
    method: str = "continued-bpe",
    *,
    min_count: int = 2,
    max_per_document: int = 10,
    scorer: str = "count",
    filters: Sequence[str] = (),
    min_exposure: int = 0,
    gain: float | None = None,
    words: Sequence[str] | str | Path = (),
    leading_space: str = "both",
    words_as_added: bool = False,
    donor: Any = None,
    reference: Corpus | None = None,
    guard: Corpus = (),
    guard_share: float = 0.0,
    processes: int | None = None,
    seed: int = 0,
    allow: Collection[str] = (),
) -> ExtendedTokenizer:
    """The tokenizer `base` with up to `size` new tokens chosen from `corpus` by `method`; no file is touched.

    `base`: a folder, a `tokenizer.json`, a hub id, or a loaded tokenizer. `corpus`: a path, a `CorpusConfig`, or texts;
    it may be left out where `words` are given. A pre-token counts at most `max_per_document` times in one document,
    against boilerplate; a pair must then occur `min_count` times to become a token. `filters` name tokens that are not
    wanted. Tokens that `scorer` ranks last, and those that occur less than `min_exposure` times for themselves in the
    text encoded anew, give way; `gain` ends the choice where a token saves fewer tokens than that per million.
    `words` (a list, or a file with one a line) belong to the method `words`, `donor` (a tokenizer) to `donor`,
    `reference` (text outside the domain) to the scorer `domain-share`. `guard` is text of which `guard_share` must keep
    its tokens. `processes` count the corpus (None: as many as there are cores). `seed` decides the texts of the final
    checks, whose results stand in `checks`; `allow` names promises whose failure is accepted. Where the corpus gives
    fewer tokens than asked, `shortfall` of the result says so.

    Raises:
        ConfigError: a setting is out of its range, names something that there is not, or lacks the text that it is for.
        TokenizerError: the tokenizer cannot be read, or cannot be extended soundly.
        CorpusError: the corpus is empty or unreadable, or holds nothing that could become a token.
        CheckError: a promise does not hold for the result.

    >>> from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    >>> alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    >>> letters = Tokenizer(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
    >>> letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    >>> letters.decoder = decoders.ByteLevel()
    >>> extension = extend_tokenizer(letters, ["to be or not to be"], 3, processes=1)
    >>> [token.text for token in extension.new_tokens]
    ['be', 'to', ' be']
    """
    demand = demand_of(
        size=size,
        min_count=min_count,
        scorer=scorer,
        filters=filters,
        min_exposure=min_exposure,
        gain=gain,
        words=words,
        leading_space=leading_space,
        words_as_added=words_as_added,
        donor=donor,
    )
    require_scorable(demand, reference=reference is not None)
    require_guard(guard_share, given=not (isinstance(guard, Sized) and not len(guard)))
    check_allowed(allow)
    check_demand(method, demand)
    family = seen_as(method, family_of(TokenizerFile.load(base)))
    count = partial(count_corpus, family, max_per_document=max_per_document, processes=processes)
    counts = count(_corpus(corpus, demand))
    if reference is not None:
        demand = dataclasses.replace(demand, reference=count(reference))
    return extend_from_counts(
        family, counts, demand, method, guard=texts_of(guard), guard_share=guard_share, seed=seed, allow=allow
    )


def extend_from_counts(
    family: Family,
    counts: Mapping[str, int],
    demand: Demand,
    method: str = "continued-bpe",
    *,
    guard: Iterable[str] = (),
    guard_share: float = 0.0,
    seed: int = 0,
    allow: Collection[str] = (),
) -> ExtendedTokenizer:
    """The extension that `extend_tokenizer` makes, from pre-tokens that are counted already, in what `method` counts.

    Raises:
        CorpusError: there are no pre-tokens, or nothing among them can become a token.
        CheckError: a promise does not hold for the result.
    """
    extended = propose(family, counts, demand, method)
    results = check_extension(extended, _sample_texts(family, counts, seed), guard, seed, guard_share)
    require(results, allow)
    return dataclasses.replace(extended, checks=tuple(results))


def propose(family: Family, counts: Mapping[str, int], demand: Demand, method: str) -> ExtendedTokenizer:
    """The extension, not yet checked: its tokens with what they save, and what was rejected.

    Raises:
        CorpusError: there are no pre-tokens, or nothing among them can become a token.
    """
    if not counts:
        raise CorpusError(
            found="a corpus without text", expected="at least one document with words", do="check the corpus"
        )
    choice = methods.get(method)(family, counts, demand)
    if not choice.merges and not choice.added:
        _refuse_barren(counts, choice, demand)
    return _assembled(family, counts, choice, demand, method)


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
    return count_pretokens(texts_of(corpus), family.splitter(), max_per_document=max_per_document, processes=processes)


def _corpus(corpus: Corpus | None, demand: Demand) -> Corpus:
    if corpus is not None:
        return corpus
    if not any(map(str.strip, demand.words)):
        raise ConfigError(found="no corpus", expected="text to choose tokens from", do="give a corpus, or words")
    return demand.words


def texts_of(corpus: Corpus) -> Iterator[str]:
    """The texts of a corpus, in its order.

    Raises:
        CorpusError: the corpus is missing or unreadable, or an entry is no text.
    """
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


def _refuse_barren(counts: Mapping[str, int], choice: Choice, demand: Demand) -> None:
    first = "; ".join(f"{reject.text!r}: {reject.reason}" for reject in choice.rejects[:3])
    raise CorpusError(
        found=f"no candidate for a token that occurs {demand.min_count} times and is wanted among {len(counts)} "
        f"distinct pre-tokens ({len(choice.rejects)} rejects{f', such as {first}' if first else ''})",
        expected="text in which the tokenizer splits words that come again",
        do="give more text, lower min_count or the other bars; if the text is large, this tokenizer knows the domain",
    )


def _assembled(
    family: Family, counts: Mapping[str, int], choice: Choice, demand: Demand, method: str
) -> ExtendedTokenizer:
    file = family.extended(choice.merges)
    left, uses = without_added(family, counts, choice.added)
    encoded = seen_as(method, family_of(file)).words(left)
    new = describe(family.file, choice.merges, encoded)
    return ExtendedTokenizer(
        base=family.file,
        file=with_added(file, choice.added),
        new_tokens=(*new, *describe_added(family.file, file.size, choice.added, uses)),
        method=method,
        family=family.name,
        asked=demand.size,
        ceiling=ceiling(family, counts),
        rejects=tuple(choice.rejects),
        stopped=choice.stopped,
    )


def _sample_texts(family: Family, counts: Mapping[str, int], seed: int) -> list[str]:
    """Texts that look like the corpus to an encoder: its pre-tokens, drawn as often as they occur.

    Some stand alone: side by side, two that began documents would be one.
    """
    drawn = draw_pretokens(counts, 6400, seed)
    rows = [drawn[start : start + 50] for start in range(0, len(drawn), 50)]
    return [family.sample(row) for row in [*rows, *([pretoken] for pretoken in drawn[:ALONE])]]
