"""leannet advise: which network for this data, this machine and these limits."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leannet.cli.options import ClassDepth, ImageColumn, Json, LabelColumn, Quiet, Wide
from leannet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from leannet.advice.advising import Advice, Advised

SHOWN, TOO_SLOW = 12, 3  # networks in the table: that fit, and that do not


def command(
    about: Annotated[str, typer.Argument(help="Images to train on, or a run.")],
    latency: Annotated[float | None, typer.Option(help="The most milliseconds that an image may take here.")] = None,
    size: Annotated[float | None, typer.Option(help="The most megabytes of the file.")] = None,
    macs: Annotated[float | None, typer.Option(help="The most million mult-adds.")] = None,
    engine: Annotated[str, typer.Option(help="torch, onnxruntime, openvino.")] = "onnxruntime",
    precision: Annotated[
        Literal["float32", "bfloat16", "int8"], typer.Option(help="The precision to time.")
    ] = "float32",
    threads: Annotated[int, typer.Option(help="To measure with.", min=1)] = 1,
    seconds: Annotated[float, typer.Option(help="To measure for, after a first timing of each.", min=0.1)] = 20,
    figure: Annotated[
        Path | None, typer.Option(help="A figure to write, accuracy against time: .svg, .png or .pdf.")
    ] = None,
    wide: Wide = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    class_depth: ClassDepth = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rank the zoo's networks for your data by published accuracy, those that meet the limits on this machine first.

    Example: leannet advise photos/ --latency 5
    """
    from leannet.advice import advise
    from leannet.console import Console
    from leannet.data.sources.listing import ReadingOptions
    from leannet.style import check_format

    if figure is not None:
        check_format(figure)
    with Console(quiet).bar(1) as bar:
        advice = advise(
            about, latency, size, macs, engine, precision, threads, seconds,
            progress=lambda label: bar.advance(0, "advise", label),
            options=ReadingOptions(image_column, label_column, class_depth),
        )  # fmt: skip
    if figure is not None:
        from leannet.advice.figure import draw

        draw(advice, figure)
    if json:
        print_json(advice.to_dict() | ({"figure": str(figure)} if figure is not None else {}))
        return
    _print(advice, wide)
    if figure is not None:
        print(f"figure    {figure}")
    if advice.command:
        print(f"try next  {advice.command}")
    else:
        print("none fits: raise a limit" + ("" if advice.precision == "int8" else ", or try --precision int8"))


def _print(advice: "Advice", wide: bool) -> None:
    """The table, and what its figures are of."""
    too_slow = [network for network in advice.networks if not network.fits and network.latency]
    shown = [*advice.fitting[:SHOWN], *too_slow[:TOO_SLOW]]
    headers = ["network", "width", "px", "ms", "p90 ms", "top-1", "mult-adds", "MB", "fits", "source"]
    print_table(
        headers, [_cells(network) for network in shown], words_last=True, optional=("source", "p90 ms"), wide=wide
    )
    print()
    published = any(network.top1 is not None for network in advice.networks)
    _say(
        f"{len(advice.fitting)} of {len(advice.networks)} networks fit, for {advice.classes} classes."
        + (" *: none that is as fast has a higher published accuracy." if published else "")
    )
    _say(
        f"ms: median of an image, {advice.engine}, {advice.precision}, "
        f"{advice.threads} thread{'s' if advice.threads > 1 else ''}, {advice.machine.line()}."
    )
    if published:
        _say("top-1: as published, on the 1,000 classes of ImageNet.")
    else:
        _say("These 32-pixel networks have no published accuracy: the largest that fits comes first.")


def _cells(network: "Advised") -> list[object]:
    latency = network.latency
    mark = " *" if network.best_for_its_time else "  "
    return [
        network.name,
        f"{network.width:g}",
        network.resolution,
        "" if latency is None else f"{latency.median_ms:.2f}",
        "" if latency is None else f"{latency.p90_ms:.2f}",
        "" if network.top1 is None else f"{network.top1:.1f} %{mark}",
        f"{network.macs / 1e6:.1f} M",
        f"{network.size_bytes / 1e6:.1f}",
        "yes" if network.fits else "no",
        network.source,
    ]


def _say(words: str) -> None:
    print(textwrap.fill(words, 80, break_long_words=False, break_on_hyphens=False))
