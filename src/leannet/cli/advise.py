"""leannet advise: which network for this data, this machine and this budget."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from leannet.cli.options import ClassDepth, ImageColumn, Json, LabelColumn, Quiet
from leannet.cli.output import print_json, print_table

SHOWN = 12


def command(
    about: Annotated[str, typer.Argument(help="Images to train on, or a run.")],
    latency: Annotated[float | None, typer.Option(help="The most milliseconds that an image may take here.")] = None,
    size: Annotated[float | None, typer.Option(help="The most megabytes of the file.")] = None,
    macs: Annotated[float | None, typer.Option(help="The most million mult-adds.")] = None,
    engine: Annotated[str, typer.Option(help="torch, onnxruntime, openvino.")] = "onnxruntime",
    precision: Annotated[
        Literal["float32", "bfloat16", "int8"], typer.Option(help="That it shall run in.")
    ] = "float32",
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seconds: Annotated[float, typer.Option(help="To measure for, after a first look at each.", min=0.1)] = 20,
    out: Annotated[Path, typer.Option(help="The image: .svg, .png or .pdf.")] = Path("advice.svg"),
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    class_depth: ClassDepth = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank the zoo's networks for your data by published accuracy, those first that keep to a budget on this machine.

    Example: leannet advise photos/ --latency 5
    """
    from leannet.advice import advise
    from leannet.advice.figure import draw
    from leannet.console import Console
    from leannet.data.sources.listing import ReadingOptions
    from leannet.style import check_format

    check_format(out)
    with Console(quiet).bar(1) as bar:
        found = advise(
            about, latency, size, macs, engine, precision, threads, seconds,
            progress=lambda label: bar.advance(0, "advise", label),
            options=ReadingOptions(image_column, label_column, class_depth),
        )  # fmt: skip
    draw(found, out)
    if json:
        print_json(found.to_dict() | {"image": str(out)})
        return
    rows = [
        [
            each.name, f"{each.width:g}", each.resolution,
            "" if each.latency is None else f"{each.latency.median_ms:.2f}",
            "" if each.latency is None else f"{each.latency.p90_ms:.2f}",
            "" if each.top1 is None else f"{each.top1:.1f} %", f"{each.macs / 1e6:.1f}", f"{each.size_bytes / 1e6:.1f}",
            "fits" if each.fits else "too slow", "*" if each.best_for_its_time else "",
        ]
        for each in [*found.fitting[:SHOWN], *[each for each in found.networks if not each.fits and each.latency][:3]]
    ]  # fmt: skip
    headers = ("network", "width", "pixels", "median ms", "p90 ms", "published top-1", "M mult-adds", "MB", "", "")
    print_table(headers, rows, left=1)
    print()
    print(
        f"{len(found.fitting)} of {len(found.networks)} fit; {found.classes} classes; *: no quicker one is more exact."
    )
    print(f"{found.engine}, {found.precision}, {threads} thread{'s' if threads > 1 else ''}, one image at a time, "
          f"{found.machine.line()}. Published accuracy is of ImageNet's 1,000 classes.")  # fmt: skip
    print(f"image   {out}")
    if found.command:
        print(f"try next  {found.command}")
    else:
        print("none fits: allow more" + ("" if found.precision == "int8" else ", or try --precision int8"))
