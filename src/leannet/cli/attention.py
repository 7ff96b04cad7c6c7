"""leannet attention: where a network looks."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.folders import say_not_images
from leannet.cli.layer_notes import note_layer
from leannet.cli.options import Json
from leannet.cli.output import print_json, print_table


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    images: Annotated[list[str], typer.Argument(help="Images, or folders of images: up to 12.")],
    layer: Annotated[str | None, typer.Option(help="Default: the last with a feature map.")] = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", help="What speaks for it. Repeat. Default: the likeliest.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Without --class: so many of the likeliest. Default: 1.", min=1, max=4)
    ] = None,
    image: Annotated[bool, typer.Option("--image/--no-image", help="The image beside its maps.")] = True,
    out: Annotated[Path, typer.Option(help="The figure: .png, .svg or .pdf.")] = Path("attention.png"),
    csv: Annotated[Path | None, typer.Option(help="The maps, a line for each position of the layer.")] = None,
    json: Json = False,
) -> None:
    """Draw what in an image speaks for a class, by Grad-CAM.

    Example: leannet attention runs/photos cat.jpg --top 2
    """
    from leannet.errors import LeannetError
    from leannet.files import spare_inputs
    from leannet.looks import AttentionMap, attention
    from leannet.looks.attention_maps_figure import draw
    from leannet.looks.inputs import load_network
    from leannet.looks.names import check_layer, short
    from leannet.looks.tables import check_table, write_table
    from leannet.style import check_format

    check_format(out)
    check_table(csv)
    spare_inputs([out, csv], [run, *images])
    if class_ and top is not None:
        raise LeannetError("--top is without --class: expected classes by name, or so many of the likeliest")
    check_layer(layer)
    network, _ = load_network(run)
    maps = attention(network, images, layer, class_ or (), top or 1)
    note_layer(network.architecture, layer, maps[0].layer)
    say_not_images(images)
    draw(maps, out, image)
    if csv:
        write_table(csv, AttentionMap.COLUMNS, (line for image_maps in maps for line in image_maps.lines()))
    if json:
        print_json({"maps": [image_maps.to_dict() for image_maps in maps], "figure": str(out), "csv": csv and str(csv)})
        return
    rows, columns = maps[0].heat.shape
    print(f"Grad-CAM at {maps[0].layer}, {rows} x {columns} positions")
    print()
    print_table(
        ("image", "class", "probability", "most at (row, column)"),
        [
            (
                short(image_maps.name, 48),
                short(image_maps.target),
                f"{100 * image_maps.probability:.1f} %",
                "nothing speaks for it"
                if image_maps.is_empty
                else f"{image_maps.heat.argmax() // columns}, {image_maps.heat.argmax() % columns}",
            )
            for image_maps in maps
        ],
        left=2,
    )
    print()
    print(f"figure: {out}" + (f", data: {csv}" if csv else ""))
