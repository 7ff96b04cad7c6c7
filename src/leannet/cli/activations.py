"""leannet activations: what the channels of a layer make of images."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from leannet.cli.folders import say_not_images
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
    out: Annotated[Path, typer.Option(help="The montage: .png, .svg or .pdf.")] = Path("activations.png"),
    csv: Annotated[Path | None, typer.Option(help="The figures of each channel, all of them.")] = None,
    json: Json = False,
) -> None:
    """Draw the feature maps of a layer, the strongest channel framed: the largest mean absolute activation.

    Example: leannet activations runs/photos cat.jpg dog.jpg --layer expanded_conv.project
    """
    from leannet.files import spare_inputs
    from leannet.looks import FeatureMaps, activations
    from leannet.looks.feature_maps_figure import draw
    from leannet.looks.names import check_layer, short
    from leannet.looks.tables import check_table, write_table
    from leannet.style import check_format

    check_format(out)
    check_table(csv)
    spare_inputs([out, csv], [run, *images])
    check_layer(layer)
    found = activations(run, images, layer)
    say_not_images(images)
    draw(found, out, channels, scale, image, columns)
    if csv:
        write_table(csv, FeatureMaps.COLUMNS, (line for each in found for line in each.lines()))
    if json:
        print_json({"maps": [each.to_dict() for each in found], "image": str(out), "csv": csv and str(csv)})
        return
    count, height, width = found[0].maps.shape
    print(f"{found[0].layer}: {count} channels of {height} x {width}")
    print()
    print_table(
        ("image", "strongest", "its mean |activation|", "the median channel's", "channels of zeros alone"),
        [
            (
                short(each.name, 48),
                short(each.channels[each.strongest]),
                f"{each.strengths.max():.4g}",
                f"{sorted(each.strengths)[count // 2]:.4g}",
                int((each.strengths == 0).sum()),
            )
            for each in found
        ],
    )
    print()
    print(f"image: {out}" + (f", data: {csv}" if csv else ""))
