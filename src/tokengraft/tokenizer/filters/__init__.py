"""Tokens that are not wanted: one rule a file, one signature. A refused token is never made, nor one through it.

A setting names a rule, with its argument after a colon: `numerals`, `longer-than:16`, `pattern:^_+$`.
"""

from collections.abc import Callable, Sequence

from tokengraft.registry import Registry

Refuse = Callable[[bytes], str | None]
"""From a token's bytes to the reason why it is not wanted; None where it may stay."""

Filter = Callable[[str], Refuse]
"""From the argument of a setting (empty where it has none) to the rule.

Raises:
    ConfigError: the argument is missing, or is none.
"""

filters: Registry[Filter] = Registry("token filter", "tokengraft.tokenizer.filters")


def refusal(settings: Sequence[str]) -> Refuse:
    """One rule of several: the reason that the first of them gives.

    >>> refuse = refusal(["numerals", "longer-than:5"])
    >>> refuse(b" 42"), refuse(b" attention"), refuse(b" self")
    ('filter numerals: holds no letter and a digit', 'filter longer-than:5: 10 characters', None)

    Raises:
        ConfigError: a filter is unknown, or its argument is missing or wrong.
    """
    rules = [(setting, _rule(setting)) for setting in settings]

    def refuse(data: bytes) -> str | None:
        return next((f"filter {name}: {reason}" for name, rule in rules if (reason := rule(data)) is not None), None)

    return refuse


def _rule(setting: str) -> Refuse:
    name, _, argument = setting.partition(":")
    return filters.get(name)(argument)
