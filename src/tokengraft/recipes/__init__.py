"""Recipes: settings that belong together, each with its source and what it costs.

>>> recipe_names()[0]
'continued-pretraining'
"""

import difflib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tokengraft.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings with what a reader wants to know of them."""

    name: str
    about: str
    source: str
    cost: str
    settings: dict[str, Any]


@cache
def recipe_names() -> tuple[str, ...]:
    """Names of the recipes, sorted."""
    return tuple(sorted(entry.name[:-5] for entry in files(__name__).iterdir() if entry.name.endswith(".yaml")))


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in recipe_names():
        close = difflib.get_close_matches(name, recipe_names(), n=1)
        raise ConfigError(
            found=f"recipe {name!r}",
            expected=f"one of {', '.join(recipe_names())}",
            do=f"did you mean {close[0]!r}?" if close else "choose one of these names",
        )
    content = yaml.safe_load((files(__name__) / f"{name}.yaml").read_text(encoding="utf-8"))
    recipe = content["recipe"]
    return Recipe(name, recipe["about"], recipe["source"], recipe["cost"], content["settings"])


def read_recipe(name: str) -> dict[str, Any]:
    """The settings of a recipe, as a configuration file would hold them.

    Raises:
        ConfigError: there is none of that name.
    """
    return get_recipe(name).settings


def recipes() -> list[Recipe]:
    """All recipes, by name."""
    return [get_recipe(name) for name in recipe_names()]
