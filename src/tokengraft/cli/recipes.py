"""`tokengraft recipes`: what there is."""

from typing import Annotated

from cyclopts import Parameter


def recipes(
    name: Annotated[str | None, Parameter(help="Print the settings of this one, as YAML.")] = None,
    /,
    *,
    json: Annotated[bool, Parameter(help="Print all of them as JSON.")] = False,
) -> None:
    """List the recipes that expand --recipe and train --recipe take, or print one."""
    from tokengraft.recipes import get_recipe
    from tokengraft.recipes import recipes as all_recipes

    if name is not None:
        import yaml

        recipe = get_recipe(name)
        print(f"# {recipe.about}\n# source: {recipe.source}\n# cost: {recipe.cost}")
        print(yaml.safe_dump(recipe.settings, sort_keys=False), end="")
        return
    if json:
        import json as encoder
        from dataclasses import asdict

        print(encoder.dumps([asdict(recipe) for recipe in all_recipes()]))
        return
    for recipe in all_recipes():
        print(f"{recipe.name:<24}{recipe.about}\n{'':<24}source: {recipe.source}\n{'':<24}cost: {recipe.cost}")
