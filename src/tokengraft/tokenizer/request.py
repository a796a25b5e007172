"""What is asked of a method, from the values that a user gives, checked before anything is read."""

import dataclasses
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from tokengraft.config import TokensConfig
from tokengraft.errors import ConfigError
from tokengraft.tokenizer.candidates import Demand, check_demand
from tokengraft.tokenizer.checks import check_allowed
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.filters import refusal
from tokengraft.tokenizer.scorers import Exposure
from tokengraft.tokenizer.word_list import read_words, spaced


def demand_of(
    *,
    size: int,
    min_count: int = 2,
    scorer: str = "count",
    filters: Sequence[str] = (),
    min_exposure: int = 0,
    gain: float | None = None,
    words: Sequence[str] | str | Path = (),
    leading_space: str = "both",
    words_as_added: bool = False,
    donor: Any = None,
    reference: Mapping[str, int] | None = None,
) -> Demand:
    """The demand that these values make. `words` is a list, or the path of a file with one word a line.

    Raises:
        ConfigError: a number is out of its range, or a scorer, a filter or the list of words cannot be used.
        TokenizerError: the donor cannot be read.
    """
    for name, value, least in (("size", size, 1), ("min_count", min_count, 1), ("min_exposure", min_exposure, 0)):
        if not isinstance(value, Integral):
            raise ConfigError(found=f"{name} = {value!r}", expected="a whole number", do=f"change {name}")
        if value < least:
            raise ConfigError(found=f"{name} = {value}", expected=f"{least} or more", do=f"raise {name}")
    if gain is not None and not gain > 0:
        raise ConfigError(found=f"gain = {gain}", expected="a number above 0", do="raise gain, or leave it out")
    listed = read_words(words) if isinstance(words, str | Path) else list(words)
    for place, word in enumerate(listed):
        if not isinstance(word, str):
            raise ConfigError(found=f"entry {place} of the words: {word!r}", expected="a text", do="give words as str")
    demand = Demand(
        size=size,
        min_count=min_count,
        scorer=scorer,
        filters=tuple(filters),
        min_exposure=min_exposure,
        gain=gain,
        words=spaced(listed, leading_space),
        words_as_added=words_as_added,
        donor=None if donor is None else TokenizerFile.load(donor),
        reference=reference,
    )
    refusal(demand.filters)
    return demand


def require_scorable(demand: Demand, *, reference: bool) -> None:
    """Returns where the scorer can score, tried on nothing.

    Raises:
        ConfigError: there is no such scorer, or it needs a reference corpus.
    """
    demand.score(Exposure(0, 0, 0, 0, 0, int(reference)))


def require_guard(share: float, *, given: bool) -> None:
    """Returns where there is guard text, or none of it must stay.

    Raises:
        ConfigError: a share of guard text must stay, and there is no such text.
    """
    if share and not given:
        raise ConfigError(
            found=f"guard_share = {share:g} without guard text",
            expected="text outside the domain, of whose tokens that share must stay",
            do="give such text (general, --general; guard= in Python), or leave guard_share out",
        )


def token_choices(settings: TokensConfig) -> dict[str, Any]:
    """The settings as arguments of `extend_tokenizer`.

    Raises:
        ConfigError: the file of words cannot be read.
    """
    choices = {entry.name: getattr(settings, entry.name) for entry in dataclasses.fields(settings)}
    path = choices.pop("words_file")
    listed = [*settings.words, *(read_words(path) if path else ())]
    return {**choices, "words": listed}


def check_choices(settings: TokensConfig, *, guarded: bool) -> None:
    """Returns where tokens can be chosen by these settings, as far as can be known before anything is counted.

    `guarded`: there is text outside the domain.

    Raises:
        ConfigError: a name or a value cannot be used, or something is missing.
        TokenizerError: the donor cannot be read.
    """
    choices = token_choices(settings)
    reference = choices.pop("reference")
    check_allowed(choices.pop("allow"))
    require_guard(choices.pop("guard_share"), given=guarded)
    del choices["max_per_document"]
    method = choices.pop("method")
    demand = demand_of(**choices)
    check_demand(method, demand)
    require_scorable(demand, reference=reference is not None)
