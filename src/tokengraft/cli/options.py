"""Flags that several commands share, and how they are laid over a configuration."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import yaml
from cyclopts import Parameter

from tokengraft.errors import ConfigError

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
    """Settings of the flags that were given, nested by the dots in their names.

    >>> nested({"tokens.size": 5, "seed": None})
    {'tokens': {'size': 5}}
    """
    result: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        place = result
        *groups, last = name.split(".")
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return result


def assignments(settings: Sequence[str] | None) -> dict[str, Any]:
    """Values of `--set name=value`, read as YAML.

    >>> assignments(["distill.steps=20"])
    {'distill.steps': 20}

    Raises:
        ConfigError: there is no equals sign.
    """
    values: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(found=f"--set {setting}", expected="--set name=value", do="write the value after =")
        values[name.strip()] = yaml.safe_load(text)
    return values
