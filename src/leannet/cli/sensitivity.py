"""leannet sensitivity: what each row alone can lose."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table, print_text
from leannet.errors import LeannetError, command_line
from leannet.shrink.names import Criterion


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    data: Annotated[str | None, typer.Argument(help="Images to measure on. Default: those of the run.")] = None,
    ratios: Annotated[
        str, typer.Option(help="Shares of a row's channels that go.", metavar="NUMBER[,...]")
    ] = "0.25,0.5,0.75",
    criterion: Annotated[
        Criterion,
        typer.Option(help="By which they are chosen."),
    ] = "taylor",
    rows: Annotated[list[str] | None, typer.Option(help="A row to measure. Repeat. Default: all.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A row to leave out. Repeat.")] = None,
    images: Annotated[int, typer.Option(help="Training images that it is measured on.", min=1)] = 1024,
    out: Annotated[Path, typer.Option(help="The curves, for prune --sensitivity; the figure stands beside it.")] = Path(
        "sensitivity.json"
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure accuracy without some channels of one row at a time, and draw it.

    Example: leannet sensitivity runs/photos
    """
    from leannet.files import check_writable
    from leannet.shrink.probing import sensitivity
    from leannet.shrink.sensitivity_figure import draw_sensitivity

    if out.suffix != ".json":
        raise LeannetError(f"--out {out}: expected a name ending in .json")
    check_writable(out)
    curves = sensitivity(
        run, data, ratios=_shares(ratios), criterion=criterion, rows=tuple(rows or ()), keep=tuple(keep or ()),
        images=images, quiet=quiet,
    )  # fmt: skip
    curves.save(out)
    figure = out.with_suffix(".svg")
    draw_sensitivity(curves, figure)
    if json:
        print_json(curves.to_dict())
        return
    headers = ["row", "channels", *(f"-{100 * ratio:g} %" for ratio in curves.curves[0].ratios)]
    lines = [
        [curve.row, curve.channels, *(f"{100 * (accuracy - curves.accuracy):+.1f}" for accuracy in curve.accuracies)]
        for curve in sorted(curves.curves, key=lambda curve: curve.accuracies[-1])
    ]
    print_table(headers, lines)
    print_text(
        f"Points of accuracy lost without a share of one row's channels, untrained; whole, "
        f"{100 * curves.accuracy:.1f} % of {curves.images:,} training images."
    )
    print(f"written     {out}   ·   {figure}")
    by = "" if criterion == "taylor" else f" --criterion {criterion}"  # what prune takes by itself
    print(f"try next    {command_line('prune', run)} --macs 50%{by} --sensitivity {quote(str(out))}")


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise LeannetError(f"--ratios: expected shares with commas between, as 0.25,0.5, found '{text}'") from None
