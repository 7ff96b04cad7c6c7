"""leannet activations: a layer's feature maps of images."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from leannet.cli.folders import say_not_images
from leannet.cli.layer_notes import note_layer
from leannet.cli.options import Json
from leannet.cli.output import print_json, print_table


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    images: Annotated[list[str], typer.Argument(help="Images, or folders of images: up to 12.")],
    layer: Annotated[
        str | None, typer.Option(help="As expanded_conv.project. Default: the last layer of the first block.")
    ] = None,
    channels: Annotated[int, typer.Option(help="Draw at most so many, the strongest.", min=1)] = 64,
    scale: Annotated[
        Literal["common", "each"], typer.Option(help="One scale for all channels of an image, or one each.")
    ] = "common",
    image: Annotated[bool, typer.Option("--image/--no-image", help="The image beside its maps.")] = True,
    columns: Annotated[int | None, typer.Option(help="Of tiles. Default: as many as rows, up to 8.", min=1)] = None,
    out: Annotated[Path, typer.Option(help="The figure: .png, .svg or .pdf.")] = Path("activations.png"),
    csv: Annotated[Path | None, typer.Option(help="The statistics of every channel.")] = None,
    json: Json = False,
) -> None:
    """Draw the feature maps of a layer, the strongest channel framed: the largest mean absolute activation.

    Example: leannet activations runs/photos cat.jpg dog.jpg --layer expanded_conv.project
    """
    from leannet.files import spare_inputs
    from leannet.looks import FeatureMaps, activations
    from leannet.looks.feature_maps_figure import draw
    from leannet.looks.inputs import load_network
    from leannet.looks.names import check_layer, short
    from leannet.looks.tables import check_table, write_table
    from leannet.style import check_format

    check_format(out)
    check_table(csv)
    spare_inputs([out, csv], [run, *images])
    check_layer(layer)
    network, _ = load_network(run)
    maps = activations(network, images, layer)
    note_layer(network.architecture, layer, maps[0].layer)
    say_not_images(images)
    draw(maps, out, channels, scale, image, columns)
    if csv:
        write_table(csv, FeatureMaps.COLUMNS, (line for image_maps in maps for line in image_maps.lines()))
    if json:
        print_json({"maps": [image_maps.to_dict() for image_maps in maps], "figure": str(out), "csv": csv and str(csv)})
        return
    count, height, width = maps[0].maps.shape
    print(f"{maps[0].layer}: {count} channels of {height} x {width}")
    print()
    print_table(
        ("image", "strongest", "its mean |activation|", "the median channel's", "channels of zeros alone"),
        [
            (
                short(image_maps.name, 48),
                short(image_maps.channels[image_maps.strongest]),
                f"{image_maps.strengths[image_maps.strongest]:.4g}",
                f"{sorted(image_maps.strengths)[count // 2]:.4g}",
                int((image_maps.strengths == 0).sum()),
            )
            for image_maps in maps
        ],
    )
    print()
    print(f"figure: {out}" + (f", data: {csv}" if csv else ""))
