"""leannet filters: the kernels of a convolution."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from leannet.cli.layer_notes import note_layer
from leannet.cli.options import Json
from leannet.cli.output import print_json


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    layer: Annotated[
        str | None, typer.Option(help="One that reads the image, or is depthwise. Default: the first convolution.")
    ] = None,
    scale: Annotated[Literal["common", "each"], typer.Option(help="One scale for all kernels, or one each.")] = "each",
    out: Annotated[Path, typer.Option(help="The figure: .png, .svg or .pdf.")] = Path("filters.png"),
    csv: Annotated[Path | None, typer.Option(help="The weights, a line each.")] = None,
    json: Json = False,
) -> None:
    """Draw the kernels of the first convolution, in color where it reads color; of a depthwise one in grey.

    Example: leannet filters runs/photos
    """
    from leannet.files import spare_inputs
    from leannet.looks import Kernels, filters
    from leannet.looks.inputs import load_network
    from leannet.looks.kernels_figure import draw
    from leannet.looks.names import check_layer
    from leannet.looks.tables import check_table, write_table
    from leannet.style import check_format

    check_format(out)
    check_table(csv)
    spare_inputs([out, csv], [run])
    check_layer(layer)
    network, _ = load_network(run)
    kernels = filters(network, layer)
    if layer and layer.replace(".", "_") != kernels.layer.replace(".", "_"):
        note_layer(network.architecture, layer, f"{kernels.layer}.conv")
    draw(kernels, out, scale)
    if csv:
        write_table(csv, Kernels.COLUMNS, kernels.lines())
    if json:
        print_json(kernels.to_dict() | {"figure": str(out), "csv": csv and str(csv)})
        return
    count, _, height, width = kernels.weights.shape
    print(f"{kernels.layer}: {count} kernels of {height} x {width}")
    print(f"figure: {out}" + (f", data: {csv}" if csv else ""))
