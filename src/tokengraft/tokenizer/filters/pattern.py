"""Tokens that look a certain way."""

import regex

from tokengraft.errors import ConfigError
from tokengraft.tokenizer.filters import Refuse, filters
from tokengraft.tokenizer.tokens import shown


@filters.register("pattern")
def pattern(argument: str) -> Refuse:
    r"""Tokens in which the regular expression after the colon is found, as in `pattern:^\s*_`."""
    try:
        compiled = regex.compile(argument)
    except regex.error as error:
        raise ConfigError(
            found=f"filter pattern:{argument} ({error})", expected="a regular expression", do="correct it"
        ) from error
    if not argument:
        raise ConfigError(found="filter pattern", expected="a regular expression", do="for example pattern:^_+$")
    return lambda data: "matches" if compiled.search(shown(data)) else None
