"""Ways to choose new tokens: one method a file, one signature, rejects kept with their reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tokengraft.registry import Registry
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.merging import Merge
from tokengraft.tokenizer.tokens import Reject


@dataclass(frozen=True, slots=True)
class Choice:
    """The merges that a method chose, in their order, and the best of what it left."""

    merges: list[Merge]
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a method."""

    size: int
    min_count: int = 2
    """Least number of occurrences of a pair that becomes a token."""


TokenMethod = Callable[[Family, Mapping[str, int], Demand], Choice]
"""From a tokenizer and the counts of its pre-tokens to new tokens."""

methods: Registry[TokenMethod] = Registry("token method", "tokengraft.tokenizer.candidates")
