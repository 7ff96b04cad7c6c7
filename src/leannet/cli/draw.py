"""leannet draw: architectures as figures, from the rows alone."""

from typing import Annotated, Literal

import typer

from leannet.cli.options import Json, Resolution, Width
from leannet.cli.output import print_json


def command(
    what: Annotated[
        list[str], typer.Argument(help="Zoo names (mobilenet_v2:0.5@160), architecture JSON files, runs, checkpoints.")
    ],
    row: Annotated[
        list[str] | None,
        typer.Option(
            help="Draw the inside of this row, or of a block inside it (block_4.squeeze_excite). "
            "Repeat: one for each WHAT in their order, or several of one WHAT."
        ),
    ] = None,
    units: Annotated[bool, typer.Option("--units", help="Draw the block that each network repeats most.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Fold no equal rows, and open blocks in blocks.")] = False,
    direction: Annotated[Literal["down", "right"], typer.Option(help="Which way the data flows.")] = "down",
    columns: Annotated[
        int | None, typer.Option(help="How many stand side by side; the others stand below. Default: all.", min=1)
    ] = None,
    width: Width = 1.0,
    resolution: Resolution = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes. Default: each its own.")] = None,
    in_channels: Annotated[int | None, typer.Option(help="Channels of the image. Default: 3.")] = None,
    out: Annotated[
        list[str] | None,
        typer.Option(
            help="A name ending in .svg, .png, .pdf, or .csv for a line a box; - for SVG on standard output. "
            "Repeat. Default: NAME.svg."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Draw networks, or the inside of their rows, with channels, resolutions and the share of mult-adds.

    Example: leannet draw shufflenet_v2 --row stage2_1 --row stage2_2
    """
    from pathlib import Path

    from leannet.diagrams import check_name, draw, to_dict, to_svg, write
    from leannet.diagrams.names import labels
    from leannet.errors import LeannetError
    from leannet.files import spare_inputs
    from leannet.what import parse, resolve

    to_screen = "-" in (out or ())
    if to_screen and json:
        raise LeannetError("--out - and --json both take standard output: expected one of them")
    paths = [Path(name) for name in out or () if name != "-"]
    for path in paths:
        check_name(path)
    spare_inputs(paths, what)
    architectures = [resolve(word, width, resolution, classes, in_channels) for word in what]
    drawing = draw(
        *architectures,
        rows=row or (),
        units=units,
        direction=direction,
        everything=everything,
        columns=columns,
        names=[
            architecture.name if parse(word).in_zoo else label
            for word, label, architecture in zip(what, labels(what), architectures, strict=True)
        ],
    )
    if not out:
        paths = [Path(drawing.file_name)]
    for path in paths:
        write(drawing, path)
    if json:
        print_json(to_dict(drawing) | {"files": [str(path) for path in paths]})
    elif to_screen:
        print(to_svg(drawing), end="")
    else:
        for path in paths:
            print(path)
