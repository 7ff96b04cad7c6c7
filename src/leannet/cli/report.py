"""leannet report: the page of a run."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json
from leannet.errors import LeannetError


def command(
    run: Annotated[str, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to write it. Default: report.html in the run.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="A folder for every figure as PNG and SVG, and its data as CSV.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time each row on this machine first, and store the times in the run.")
    ] = False,
    engine: Annotated[str | None, typer.Option(help="To measure in. Default: onnxruntime.")] = None,
    threads: Annotated[int | None, typer.Option(help="To measure with. Default: 1.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="To measure for. Default: 10.", min=0.1)] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the page of a run: curves, confusion matrix, mistakes, cost, data. One file that fetches nothing.

    Example: leannet report runs/photos --measure
    """
    from leannet.console import Console
    from leannet.files import check_page, spare_inputs
    from leannet.reports import report
    from leannet.reports.costs import SECONDS
    from leannet.reports.costs import measure as measure_rows

    options = {"--engine": engine, "--threads": threads, "--seconds": seconds}
    extra = [name for name, value in options.items() if value is not None]
    if extra and not measure:
        raise LeannetError(f"{extra[0]}: expected --measure with it, since it says how to measure")
    check_page(out, figures)
    spare_inputs([out], [run])
    times = None
    if measure:
        console, duration = Console(quiet), seconds or SECONDS
        console.say(f"timing each row, {duration:g} s; leave the machine alone meanwhile")
        times = measure_rows(run, engine or "onnxruntime", threads or 1, duration)
    page = report(run, out, figures)
    paths = {"report": page, "latency": times, "figures": figures}
    if json:
        print_json({name: str(path) for name, path in paths.items() if path is not None})
        return
    print(page)
    if figures is not None:
        print(figures)
