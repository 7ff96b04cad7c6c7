"""leannet recipes: named settings for training."""

from typing import Annotated

import typer

from leannet.cli.options import Json
from leannet.cli.output import print_json, print_table, print_text


def command(
    name: Annotated[str | None, typer.Argument(help="One to print, as TOML. Default: a list.")] = None,
    json: Json = False,
) -> None:
    """List the recipes of training, or print one as TOML, to be saved, changed and given to --config.

    Example: leannet recipes cifar
    """
    import tomli_w

    from leannet.training.recipes import RECIPES, recipe

    if json:
        chosen = {name: recipe(name)} if name else {key: recipe(key) for key in RECIPES}
        print_json({"recipes": {key: {"for": RECIPES[key][0], "settings": values} for key, values in chosen.items()}})
    elif name:
        settings = recipe(name)
        print_text(f"# {name}: {RECIPES[name][0]}", "# ")
        print(tomli_w.dumps(settings), end="")
    else:
        print_table(("recipe", "for"), [(key, words) for key, (words, _) in RECIPES.items()], left=2, wrapped="for")
        print()
        print("Print one: leannet recipes NAME")
        print("Train by one: leannet train DATA --recipe NAME (flags win)")
