"""leannet models: what the zoo has."""

from typing import Annotated

import typer

from leannet.cli.options import Json, Wide
from leannet.cli.output import print_json, print_table


def command(
    pattern: Annotated[str, typer.Argument(help="Some letters of the name, or a pattern with * and ?.")] = "*",
    wide: Wide = False,
    json: Json = False,
) -> None:
    """List the networks of the zoo.

    Example: leannet models "*v3*"
    """
    from leannet.cost import count
    from leannet.errors import LeannetError
    from leannet.zoo import FAMILIES, architecture, models

    names = models(pattern)
    if not names:
        raise LeannetError(f"no network matches '{pattern}'; all: leannet models")
    lines = []
    for name in names:
        family, cost = FAMILIES[name], count(architecture(name))
        lines.append(
            {
                "name": name,
                "summary": family.summary,
                "paper": family.paper,
                "resolution": family.resolution,
                "classes": family.classes,
                "params": cost.params,
                "macs": cost.macs,
            }
        )
    if json:
        print_json({"models": lines})
        return
    print_table(
        ("name", "what", "pixels", "classes", "params", "mult-adds"),
        [(x["name"], x["summary"], x["resolution"], x["classes"], f"{x['params']:,}", f"{x['macs']:,}") for x in lines],
        left=2,
        wrapped="what",
        optional=("classes", "pixels"),
        wide=wide,
    )
