"""What is asked for: tokens with a role and a start, whole words, from mappings, flags or a file."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tokengraft.errors import ConfigError

ROLES = ("pad", "bos", "eos", "unk", "additional")
KEYS = ("role", "like", "description")


@dataclass(frozen=True, slots=True)
class SpecialToken:
    """One control token. Without `like` and `description` its rows start from the mean of the tables.

    >>> SpecialToken("<|user|>", like=("user", "User")).role
    'additional'
    """

    content: str
    role: str = "additional"
    like: tuple[str, ...] = ()
    """Tokens, or words, that mean something similar: the new rows start at the mean of theirs."""
    description: str | None = None
    """What the token is for, in words: the new rows start at the mean of the description's."""


def requested(tokens: Any) -> tuple[SpecialToken, ...]:
    """The tokens of a mapping, a list, or a file of either.

    A mapping gives for each token None, a list of similar words, or a mapping with `role`, `like` and `description`.
    A token called `<pad>`, `[PAD]` or `<|pad|>` has that role unless it says otherwise; so have bos, eos and unk.

    >>> [(token.content, token.role) for token in requested({"<|user|>": ["user"], "<|pad|>": None})]
    [('<|user|>', 'additional'), ('<|pad|>', 'pad')]

    Raises:
        ConfigError: a token is given in another form, twice, or with a role that does not exist.
    """
    if isinstance(tokens, Path):
        tokens = read_tokens(tokens)
    if isinstance(tokens, Mapping):
        made = [_from_value(content, value) for content, value in tokens.items()]
    elif isinstance(tokens, Iterable) and not isinstance(tokens, str | bytes):
        made = [_from_entry(entry) for entry in tokens]
    else:
        raise ConfigError(
            found=f"tokens of type {type(tokens).__name__}",
            expected='a mapping such as {"<|user|>": ["user"]}, a list, or a Path of a file',
            do="write the tokens so",
        )
    _refuse_twice([token.content for token in made])
    return tuple(made)


def read_tokens(path: Path, *, whole: bool = False) -> Any:
    """What a YAML, JSON or TOML file holds, or the lines of any other file, without blank lines.

    Tokens may stand under `tokens:`, beside `words:`; `whole` gives both.

    Raises:
        ConfigError: the file cannot be read, is not well formed, or holds neither a mapping nor a list.
    """
    reader = READERS.get(path.suffix.lower(), str.splitlines)
    try:
        value = reader(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(found=f"{path}: {error.strerror}", expected="a readable file", do="check the path") from error
    except (ValueError, yaml.YAMLError) as error:  # a date that is none is a plain ValueError
        raise ConfigError(found=f"{path}: {error}", expected="a well-formed file", do="mend that place") from error
    if isinstance(value, list):
        return [entry for entry in value if entry != ""]
    if not whole and isinstance(value, dict) and isinstance(value.get("tokens"), dict | list):
        return value["tokens"]
    if isinstance(value, dict):
        return value
    raise ConfigError(
        found=f"{path} holds {type(value).__name__}",
        expected="tokens by name, or a list of them",
        do='write lines such as  "<|user|>": [user, User]',
    )


READERS: dict[str, Callable[[str], Any]] = {
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".json": json.loads,
    ".toml": tomllib.loads,
}


def role_of_name(content: str) -> str:
    """The role that a token's name says it has.

    >>> role_of_name("[PAD]"), role_of_name("<|end_of_text|>"), role_of_name("<eos>")
    ('pad', 'additional', 'eos')
    """
    letters = re.sub(r"[^a-z]", "", content.casefold())
    return letters if letters in ROLES[:-1] else "additional"


def _from_entry(entry: Any) -> SpecialToken:
    if isinstance(entry, SpecialToken):
        return _checked(entry)
    if isinstance(entry, Mapping) and "content" in entry:
        return _from_value(entry["content"], {key: value for key, value in entry.items() if key != "content"})
    return _from_value(entry, None)


def _from_value(content: Any, value: Any) -> SpecialToken:
    if not isinstance(content, str):
        raise ConfigError(found=f"token {content!r}", expected="a text", do="put it into quotes")
    given = dict(value) if isinstance(value, Mapping) else {"like": value}
    for key in given:
        if key not in KEYS:
            raise ConfigError(
                found=f"{key!r} for token {content!r}", expected=f"one of {', '.join(KEYS)}", do="leave it out"
            )
    like = given.get("like") or ()
    return _checked(
        SpecialToken(
            content,
            given.get("role") or role_of_name(content),
            (like,) if isinstance(like, str) else tuple(like),
            given.get("description"),
        )
    )


def _checked(token: SpecialToken) -> SpecialToken:
    if token.role not in ROLES:
        raise ConfigError(
            found=f"role {token.role!r} for token {token.content!r}",
            expected=f"one of {', '.join(ROLES)}",
            do="choose one of these",
        )
    if not all(isinstance(word, str) and word for word in token.like):
        raise ConfigError(
            found=f"similar words {list(token.like)!r} for token {token.content!r}",
            expected="words",
            do="put each into quotes",
        )
    if token.like and token.description:
        raise ConfigError(
            found=f"similar words and a description for token {token.content!r}",
            expected="one of the two",
            do="leave one out",
        )
    return token


def _refuse_twice(contents: list[str]) -> None:
    for content in contents:
        if contents.count(content) > 1:
            raise ConfigError(found=f"token {content!r} twice", expected="each token once", do="leave one out")
