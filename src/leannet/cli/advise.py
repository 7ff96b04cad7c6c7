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
    sram: Annotated[
        str | None, typer.Option(help="A microcontroller's memory, as 256kB: for 8-bit integers, untimed.")
    ] = None,
    flash: Annotated[str | None, typer.Option(help="Its memory for programs and weights, as 1MB.")] = None,
    target: Annotated[str | None, typer.Option(help="Both by its name, as nrf52840.", metavar="NAME|SRAM")] = None,
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
    from leannet.errors import LeannetError
    from leannet.style import check_format

    if figure is not None:
        check_format(figure)
    memories = _memories(sram, flash, target)
    if figure is not None and memories != (None, None) and latency is None:
        raise LeannetError("--figure shows times: expected --latency beside --sram, --flash or --target")
    with Console(quiet).bar(1) as bar:
        advice = advise(
            about, latency, size, macs, engine, precision, threads, seconds,
            progress=lambda label: bar.advance(0, "advise", label),
            options=ReadingOptions(image_column, label_column, class_depth), sram=memories[0], flash=memories[1],
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
        print(
            "none fits: raise a limit"
            + ("" if advice.precision == "int8" or advice.is_for_microcontrollers else ", or try --precision int8")
        )


def _memories(sram: str | None, flash: str | None, target: str | None) -> tuple[int | None, int | None]:
    """Bytes of SRAM and flash."""
    from leannet.microcontrollers import Target, memory
    from leannet.microcontrollers import target as named

    chip = Target("", "", None, None) if target is None else named(target)
    return (
        chip.sram if sram is None else memory(sram, "--sram"),
        chip.flash if flash is None else memory(flash, "--flash"),
    )


def _print(advice: "Advice", wide: bool) -> None:
    """The table, and what its figures are of."""
    too_slow = [network for network in advice.networks if not network.fits and network.latency]
    shown = [*advice.fitting[:SHOWN], *too_slow[:TOO_SLOW]]
    cells = [_cells(network, advice.is_for_microcontrollers) for network in shown]
    timed = any(network.latency for network in shown)
    headers = [name for name in (cells[0] if cells else {}) if timed or name not in ("ms", "p90 ms")]
    print_table(
        headers, [[each[name] for name in headers] for each in cells], words_last=True, optional=("source", "p90 ms"),
        wide=wide,
    )  # fmt: skip
    print()
    published = any(network.top1 is not None for network in advice.networks)
    _say(
        f"{len(advice.fitting)} of {len(advice.networks)} networks fit, for {advice.classes} classes."
        + (" *: none that is as fast has a higher published accuracy." if published and timed else "")
    )
    if advice.is_for_microcontrollers:
        _say(
            "kB SRAM, kB flash: of 1,024 bytes, as 8-bit integers in TensorFlow Lite Micro; SRAM: activations and what "
            "is kept beside them; flash: the file. Your program needs some of both."
        )
    if timed:
        _say(
            f"ms: median of an image, {advice.engine}, {advice.precision}, "
            f"{advice.threads} thread{'s' if advice.threads > 1 else ''}, {advice.machine.line()}."
        )
    if published:
        _say("top-1: as published, on the 1,000 classes of ImageNet.")
    else:
        _say("These 32-pixel networks have no published accuracy: the largest that fits comes first.")


def _cells(network: "Advised", microcontroller: bool) -> dict[str, object]:
    """A line of the table, by column."""
    latency = network.latency
    mark = " *" if network.best_for_its_time else "  "
    size: dict[str, object] = {"MB": f"{network.size_bytes / 1e6:.1f}"}
    if microcontroller:
        sizes = {"kB SRAM": network.sram_bytes, "kB flash": network.flash_bytes}
        size = {name: "" if number is None else f"{number / 1024:,.0f}" for name, number in sizes.items()}
    return {
        "network": network.name,
        "width": f"{network.width:g}",
        "px": network.resolution,
        "ms": "" if latency is None else f"{latency.median_ms:.2f}",
        "p90 ms": "" if latency is None else f"{latency.p90_ms:.2f}",
        "top-1": "" if network.top1 is None else f"{network.top1:.1f} %{mark}",
        "mult-adds": f"{network.macs / 1e6:.1f} M",
        **size,
        "fits": "yes" if network.fits else "no",
        "source": network.source,
    }


def _say(words: str) -> None:
    print(textwrap.fill(words, 80, break_long_words=False, break_on_hyphens=False))
