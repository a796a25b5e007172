"""What tokens are chosen from, and what the choice is measured on, by the settings of a run.

Nine tenths of the documents are for choosing (all but the held-out part; `expand`, which also trains, chooses from its
part for tokens alone). A corpus too small to be split is used whole, and nothing is held out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from tokengraft.config import RunConfig
from tokengraft.corpus import Document, check_readable, part_of, stream
from tokengraft.corpus.sample import sample
from tokengraft.progress import watch
from tokengraft.tokenizer.candidates import Demand, seen_as
from tokengraft.tokenizer.ceiling import Ceiling, ceiling, ceiling_of_texts
from tokengraft.tokenizer.checks import check_extension, require
from tokengraft.tokenizer.extend import count_corpus, propose
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.families import Family, family_of
from tokengraft.tokenizer.fertility import Fertility, fertility
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.promises import CheckResult
from tokengraft.tokenizer.request import check_choices, demand_of, token_choices

SMALLEST = 20
"""Documents below which none is held out."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What an extension saves on a text, and the share that any could save there."""

    fertility: Fertility
    ceiling: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.fertility.to_dict(), "saved": self.fertility.saved, "ceiling": self.ceiling}


@dataclass(frozen=True)
class Material:
    """A tokenizer and counted text, ready for tokens to be chosen."""

    config: RunConfig
    family: Family
    """The tokenizer as the method sees it."""
    counts: Mapping[str, int]
    demand: Demand
    heldout: list[str]
    """Empty where the corpus is too small to be split."""
    general: list[str]
    """Empty where no general corpus was given."""

    @property
    def ceiling(self) -> Ceiling:
        """What the split pattern lets any extension save on the counted text."""
        return ceiling(self.family, self.counts)

    def propose(self) -> ExtendedTokenizer:
        """The extension that the method chooses, not checked.

        Raises:
            CorpusError: nothing in the corpus can become a token.
        """
        return propose(self.family, self.counts, self.demand, self.config.tokens.method)

    def check(self, extended: ExtendedTokenizer) -> list[CheckResult]:
        """Every promise with its outcome, on held-out text (where there is none, on pre-tokens of the corpus)."""
        domain = self.heldout or [self.family.sample([pretoken]) for pretoken in islice(self.counts, 2000)]
        return check_extension(extended, domain, self.general, self.config.seed, self.config.tokens.guard_share)

    def checked(self, extended: ExtendedTokenizer, more: Iterable[CheckResult] = ()) -> ExtendedTokenizer:
        """The extension with every promise and its outcome, those of `more` among them.

        Raises:
            CheckError: a promise does not hold, and the settings do not allow that.
        """
        results = (*self.check(extended), *more)
        require(results, self.config.tokens.allow)
        return replace(extended, checks=results)

    def gains(self, extended: ExtendedTokenizer) -> dict[str, Gain]:
        """Tokens before and after, beside the ceiling, on held-out and on general text, where there is such."""
        texts = {"heldout": self.heldout, "general": self.general}
        return {
            name: Gain(fertility(extended, each), ceiling_of_texts(self.family, each).share)
            for name, each in texts.items()
            if each
        }


def gather(config: RunConfig, processes: int | None = None) -> Material:
    """The material that the settings name; the corpus is read twice, for counting and for what is held out.

    Raises:
        TokengraftError: a setting, the tokenizer or a corpus cannot be used; what can be known is said before counting.
    """
    settings = config.tokens
    check_choices(settings, guarded=config.general is not None)
    corpora = [corpus for corpus in (config.corpus, config.general, settings.reference) if corpus is not None]
    for corpus in corpora:
        check_readable(corpus)
    family = seen_as(settings.method, family_of(TokenizerFile.load(config.model)))
    whole = sum(1 for _ in islice(stream(config.corpus), SMALLEST)) < SMALLEST

    def count(documents: Iterable[Document]) -> Mapping[str, int]:
        watched = watch(documents, "count words", "doc")
        return count_corpus(family, watched, max_per_document=settings.max_per_document, processes=processes)

    choices = token_choices(settings)
    reference = choices["reference"]
    asked = {name: choices[name] for name in choices if name not in _NOT_ASKED}
    return Material(
        config=config,
        family=family,
        counts=count(stream(config.corpus) if whole else _part(config, heldout=False)),
        demand=demand_of(**asked, reference=None if reference is None else count(stream(reference))),
        heldout=[] if whole else _sample(_part(config, heldout=True), config),
        general=_sample(stream(config.general), config) if config.general else [],
    )


_NOT_ASKED = ("method", "max_per_document", "reference", "guard_share", "allow")


def _part(config: RunConfig, *, heldout: bool) -> Iterator[Document]:
    for document in stream(config.corpus):
        if (part_of(document.name, config.shares) == "heldout") == heldout:
            yield document


def _sample(documents: Iterable[Document], config: RunConfig) -> list[str]:
    return [document.text for document in sample(documents, config.evaluation.fertility_bytes, config.seed)]
