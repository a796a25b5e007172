"""Ways to choose new tokens: one method a file, one signature, rejects kept with their reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tokengraft.registry import Registry
from tokengraft.tokenizer.extended import NO_MORE
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.filters import Refuse, refusal
from tokengraft.tokenizer.merging import Merge
from tokengraft.tokenizer.scorers import Scorer, scorers
from tokengraft.tokenizer.tokens import Reject


@dataclass(frozen=True, slots=True)
class Added:
    """A text that becomes an added token: found before any merge, inside words too."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The merges that a method chose, in their order, texts to be added beside them, and the best of what it left."""

    merges: list[Merge]
    rejects: list[Reject] = field(default_factory=list)
    added: list[Added] = field(default_factory=list)
    stopped: str = NO_MORE
    """Why there are not more, where there are fewer than were asked for."""


@dataclass(frozen=True)
class Demand:
    """What is asked of a method."""

    size: int
    min_count: int = 2
    """Least number of occurrences of a pair that becomes a token."""
    scorer: str = "count"
    filters: tuple[str, ...] = ()
    min_exposure: int = 0
    """Least number of occurrences, in the corpus encoded with all new tokens, of one that no other is made of."""
    gain: float | None = None
    """Tokens that the last token must save at least, per million tokens of the corpus."""
    words: tuple[str, ...] = ()
    """Texts that must stay whole, in their order; each with the space that it is to begin with, if any."""
    words_as_added: bool = False
    """Words that no merges can make become added tokens."""
    donor: TokenizerFile | None = None
    """The tokenizer whose tokens are taken over."""
    reference: Mapping[str, int] | None = None
    """Counts of the pre-tokens of text outside the domain."""

    @cached_property
    def refuse(self) -> Refuse:
        """The filters as one rule."""
        return refusal(self.filters)

    @cached_property
    def score(self) -> Scorer:
        """The scorer."""
        return scorers.get(self.scorer)


TokenMethod = Callable[[Family, Mapping[str, int], Demand], Choice]
"""From a tokenizer and the counts of its pre-tokens to new tokens."""

methods: Registry[TokenMethod] = Registry("token method", "tokengraft.tokenizer.candidates")

views: dict[str, Callable[[Family], Family]] = {}
"""By the method's name, what it takes the tokenizer for where that is not the tokenizer as it is: superwords count
stretches of several pre-tokens. A method's own file enters it here."""


needs: dict[str, Callable[[Demand], object]] = {}
"""By the method's name, what raises a ConfigError where the demand lacks something that the method needs."""


def check_demand(method: str, demand: Demand) -> None:
    """Returns where the method exists, and the demand has what it needs.

    Raises:
        ConfigError: it does not, or has not.
    """
    methods.get(method)
    if method in needs:
        needs[method](demand)


def seen_as(method: str, family: Family) -> Family:
    """The tokenizer as a method counts and extends it.

    Raises:
        ConfigError: there is no such method.
        TokenizerError: the tokenizer cannot be extended by this method.
    """
    methods.get(method)
    return views[method](family) if method in views else family
