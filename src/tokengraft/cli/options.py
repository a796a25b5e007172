"""Flags that several commands share, and how they are laid over a configuration."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import yaml
from cyclopts import Parameter

from tokengraft.config import as_mappings, merged
from tokengraft.errors import ConfigError

NULL = object()
"""`--set name=null`: a value that takes a setting away. None is a flag that was not given."""

Out = Annotated[str | None, Parameter(help="Folder of the run; a stopped run in it goes on.")]
Size = Annotated[int | None, Parameter(help="Number of new tokens.")]
Device = Annotated[str | None, Parameter(help="cpu, cuda, mps or auto.")]
Seed = Annotated[int | None, Parameter(help="Seed of everything that is drawn.")]
Steps = Annotated[int | None, Parameter(help="Distillation steps.")]
Threads = Annotated[int | None, Parameter(help="CPU threads.")]
Settings = Annotated[
    list[str] | None,
    Parameter(name="--set", help="Any other setting, as in the configuration file: --set distill.rate_inputs=0.02"),
]


def nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the flags that were given, nested by the dots in their names; a corpus is always a mapping.

    >>> nested({"tokens.size": 5, "seed": None, "replay": NULL, "corpus.field": "body", "corpus": "notes/"})
    {'tokens': {'size': 5}, 'replay': None, 'corpus': {'field': 'body', 'path': 'notes/'}}

    Raises:
        ConfigError: a name is given a value, and so is a setting inside it.
    """
    result: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        *groups, last = name.split(".")
        _refuse_inside_value(result, groups, name)
        setting: dict[str, Any] = {last: None if value is NULL else value}
        for group in reversed(groups):
            setting = {group: setting}
        result = merged(result, as_mappings(setting))
    return result


def _refuse_inside_value(settings: Mapping[str, Any], groups: Sequence[str], name: str) -> None:
    place: Any = settings
    for depth, group in enumerate(groups, start=1):
        place = place.get(group)
        if place is None:
            return
        if not isinstance(place, Mapping):
            inside = ".".join(groups[:depth])
            raise ConfigError(
                found=f"{inside} = {place!r} and a value for {name}",
                expected="one of the two",
                do=f"leave out {inside}",
            )


def assignments(settings: Sequence[str] | None) -> dict[str, Any]:
    """Values of `--set name=value`, read as YAML; `NULL` for null.

    >>> assignments(["distill.steps=20"])
    {'distill.steps': 20}

    Raises:
        ConfigError: there is no equals sign, or the value is not well-formed YAML.
    """
    values: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(found=f"--set {setting}", expected="--set name=value", do="write the value after =")
        value = _value(setting, text)
        values[name.strip()] = NULL if value is None else value
    return values


def _value(setting: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a plain ValueError
        raise ConfigError(
            found=f"--set {setting}: {getattr(error, 'problem', None) or str(error).partition(chr(10))[0]}",
            expected="a value as YAML has it",
            do="quote text that holds one of []{}:#, for instance --set 'title=\"a: b\"'",
        ) from error
