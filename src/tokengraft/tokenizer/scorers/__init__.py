"""What a new token is worth: one scorer a file, one signature. Those worth least give way where there are too many."""

from collections.abc import Callable
from dataclasses import dataclass

from tokengraft.registry import Registry


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a token stands in the corpus, and in the reference corpus where there is one."""

    count: int
    """How often its pair stood side by side when it was chosen."""
    uses: int
    """How often it occurs where the corpus is encoded with all new tokens."""
    saved: int
    """Tokens that it saves there: at each use, those that would stand in its place without it, less one."""
    tokens: int
    """Base tokens of the corpus."""
    reference_uses: int = 0
    reference_tokens: int = 0
    """0: there is no reference corpus."""


Scorer = Callable[[Exposure], float]
"""From a token's exposure to its worth.

Raises:
    ConfigError: the scorer needs a reference corpus, and there is none.
"""

scorers: Registry[Scorer] = Registry("token scorer", "tokengraft.tokenizer.scorers")
