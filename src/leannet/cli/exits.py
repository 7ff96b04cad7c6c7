"""leannet exits: how sure an image has to be to leave a network early."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table, print_text
from leannet.errors import LeannetError, command_line

SHOWN = 12  # lines of the table


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint of train --exits.")],
    data: Annotated[
        str | None, typer.Argument(help="Images to choose by. Default: the run's validation split.")
    ] = None,
    cost: Annotated[
        float | None,
        typer.Option(help="The most that an image may cost in the mean, of the mult-adds of all rows, as 0.6."),
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Without --cost: points of accuracy that it may lose. Default: 0.5.", min=0)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: exits.safetensors beside the checkpoint.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose how sure an image has to be to leave at an early exit, by what that saves and loses.

    Example: leannet exits runs/photos --cost 0.6
    """
    if cost is not None and max_drop is not None:
        raise LeannetError("--cost and --max-drop: expected one of them")
    from leannet.evaluation.exits import choose_exits

    curve = choose_exits(run, data, cost, 0.5 if max_drop is None else max_drop, out, quiet)
    if json:
        print_json(curve.to_dict())
        return
    chosen, number = curve.chosen, len(curve.staying.left) - 1
    assert chosen is not None
    step = max(1, -(-len(curve.curve) // SHOWN))
    shown = [each for place, each in enumerate(curve.curve) if place % step == 0 or each == chosen]
    if chosen == curve.staying:
        shown.append(chosen)
    at = [*(f"exit {place}" for place in range(1, number + 1)), "end"]
    print_table(
        ["leaves above", "accuracy", "lost", "M mult-adds", "of all", *at, ""],
        [
            [
                f"{each.threshold:g}", f"{100 * each.accuracy:.2f} %",
                f"{100 * (curve.staying.accuracy - each.accuracy):+.2f}", f"{each.macs / 1e6:,.1f}",
                f"{each.macs / curve.total:.3f}", *(f"{100 * share:.1f} %" for share in each.left),
                "<- kept" if each == chosen else "",
            ]
            for each in shown
        ],
        left=0,
        words_last=True,
    )  # fmt: skip
    print_text(f"{curve.images:,} images; without exits {100 * curve.staying.accuracy:.2f} %, "
               f"{curve.total / 1e6:,.1f} M mult-adds.")  # fmt: skip
    print(f"written   {curve.path}")
    print(f"try next  {command_line('export', curve.path)} --branches")
