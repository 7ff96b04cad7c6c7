"""leannet report: the page of a run."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json
from leannet.cli.output import print_json


def command(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: report.html in the run.")] = None,
    json: Json = False,
) -> None:
    """Write the page of a run: curves, confusion matrix, classes, cost by row. One file, no network.

    Example: leannet report runs/photos
    """
    from leannet.reports import report

    page = report(run, out)
    if json:
        print_json({"report": str(page)})
    else:
        print(page)
