"""leannet predict: what is in these images."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from leannet.cli.folders import say_not_images
from leannet.cli.options import Json
from leannet.cli.output import print_json, print_text


def command(
    run: Annotated[
        str, typer.Argument(help="A run folder, a checkpoint or an artifact: .onnx, or a folder. It alone is enough.")
    ],
    images: Annotated[list[str], typer.Argument(help="Images, films, or folders of images.")],
    top: Annotated[
        int | None, typer.Option(help="How many classes to name, or objects. Default: 5 classes, or all.", min=1)
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="Of boxes: the least score of an object. Default: 0.3.", min=0, max=1)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Of boxes: a folder that images and films are drawn into with them.")
    ] = None,
    json: Json = False,
) -> None:
    """Name what is in images, and where, if the network finds boxes.

    Example: leannet predict runs/photos cat.jpg dog.jpg
    """
    from leannet.evaluation import predict

    predictions, broken = predict(run, images, top, out, score)
    others = say_not_images(images)
    if json:
        print_json({"predictions": [p.to_dict() for p in predictions], "broken": broken, "left_out": others})
    else:
        for prediction in predictions:
            line = prediction.line()
            if sys.stdout is not None and sys.stdout.isatty():
                print_text(line, "    ")
            else:  # programs read a line an image
                print(line)
    if out is not None and not json:
        print(f"drawn       {out}")
    for image in broken:
        print(f"leannet: {image['path']}: cannot be read: {image['problem']}", file=sys.stderr)
    if broken:
        raise typer.Exit(2)
