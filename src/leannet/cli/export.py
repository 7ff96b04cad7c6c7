"""leannet export: a run as one file that runs elsewhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from leannet.cli.options import Json
from leannet.cli.output import print_json


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    out: Annotated[Path | None, typer.Option(help="Default: model.onnx beside the checkpoint.")] = None,
    precision: Annotated[Literal["float32", "float16"], typer.Option(help="Of the weights.")] = "float32",
    input: Annotated[
        Literal["float32", "uint8"],
        typer.Option(help="uint8: the graph takes pictures, and resizes and normalises itself."),
    ] = "float32",
    json: Json = False,
) -> None:
    """Write a run as one ONNX file: weights, labels, preprocessing, and golden pictures to check it by.

    Example: leannet export runs/photos
    """
    from leannet.deploy import export

    found = export(run, out, precision, input)
    if json:
        print_json(found.to_dict())
        return
    print(f"{found.path}  {found.size_bytes / 1e6:.2f} MB, {found.precision}")
    for each in found.checks:
        print(f"  {each.line()}")
    print(f"try next  leannet predict {found.path} PICTURE   ·   leannet bench {found.path}")
