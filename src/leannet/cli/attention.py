"""leannet attention: where a network looks."""

from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.folders import say_not_images
from leannet.cli.options import Json
from leannet.cli.output import print_json, print_table


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    images: Annotated[list[str], typer.Argument(help="Images, or folders of images: up to 12.")],
    layer: Annotated[str | None, typer.Option(help="Default: the last that makes an image.")] = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", help="What speaks for it. Repeat. Default: the likeliest.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Without --class: so many of the likeliest. Default: 1.", min=1, max=4)
    ] = None,
    image: Annotated[bool, typer.Option("--image/--no-image", help="The image beside its maps.")] = True,
    out: Annotated[Path, typer.Option(help="The image: .png, .svg or .pdf.")] = Path("attention.png"),
    csv: Annotated[Path | None, typer.Option(help="The maps, a line for each place of the layer.")] = None,
    json: Json = False,
) -> None:
    """Draw what in an image speaks for a class, by Grad-CAM.

    Example: leannet attention runs/photos cat.jpg --top 2
    """
    from leannet.errors import LeannetError
    from leannet.files import spare_inputs
    from leannet.looks import AttentionMap, attention
    from leannet.looks.attention_maps_figure import draw
    from leannet.looks.names import check_layer, short
    from leannet.looks.tables import check_table, write_table
    from leannet.style import check_format

    check_format(out)
    check_table(csv)
    spare_inputs([out, csv], [run, *images])
    if class_ and top is not None:
        raise LeannetError("--top is without --class: expected classes by name, or so many of the likeliest")
    check_layer(layer)
    found = attention(run, images, layer, class_ or (), top or 1)
    say_not_images(images)
    draw(found, out, image)
    if csv:
        write_table(csv, AttentionMap.COLUMNS, (line for each in found for line in each.lines()))
    if json:
        print_json({"maps": [each.to_dict() for each in found], "image": str(out), "csv": csv and str(csv)})
        return
    rows, columns = found[0].heat.shape
    print(f"Grad-CAM at {found[0].layer}, {rows} x {columns} places")
    print()
    print_table(
        ("image", "class", "probability", "most at (row, column)"),
        [
            (
                short(each.name, 48),
                short(each.target),
                f"{100 * each.probability:.1f} %",
                "nothing speaks for it"
                if each.is_empty
                else f"{each.heat.argmax() // columns}, {each.heat.argmax() % columns}",
            )
            for each in found
        ],
        left=2,
    )
    print()
    print(f"image: {out}" + (f", data: {csv}" if csv else ""))
