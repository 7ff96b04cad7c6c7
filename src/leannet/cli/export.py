"""leannet export: a run as one file that runs elsewhere."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table
from leannet.errors import LeannetError


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    data: Annotated[
        str | None, typer.Argument(help="With --fastest: pictures to judge on. Default: those of the run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: model.onnx beside the checkpoint.")] = None,
    precision: Annotated[
        Literal["float32", "float16"] | None, typer.Option(help="Of the weights. Integers: leannet quantize.")
    ] = None,
    input: Annotated[
        Literal["float32", "uint8"] | None,
        typer.Option(help="uint8: the graph takes pictures, and resizes and normalises itself."),
    ] = None,
    format: Annotated[
        Literal["onnx", "openvino", "ncnn", "litert"],
        typer.Option(help="onnx: one file. The others: a folder of theirs."),
    ] = "onnx",
    fastest: Annotated[
        bool, typer.Option("--fastest", help="Measure engines and precisions here, and keep the best.")
    ] = False,
    max_drop: Annotated[float, typer.Option(help="With --fastest: points of accuracy that integers may cost.")] = 0.5,
    min_agreement: Annotated[
        float, typer.Option(help="With --fastest: the least share of pictures that keep their class.", min=0, max=1)
    ] = 0.0,
    threads: Annotated[int, typer.Option(help="With --fastest.", min=1)] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a run as one ONNX file: weights, labels, preprocessing, and golden pictures to check it by.

    Or as a folder for a runtime that has files of its own.

    Example: leannet export runs/photos
    """
    if format != "onnx":
        if fastest or precision or input or data:
            raise LeannetError(f"--format {format} takes a run and --out alone")
        _as_folder(run, format, out, json)
        return
    if fastest:
        if precision or input:
            raise LeannetError("--fastest chooses the precision itself: leave out --precision and --input")
        _fastest(run, data, out, max_drop, min_agreement, threads, json, quiet)
        return
    if data is not None:
        raise LeannetError(f"{data}: pictures are for --fastest; expected a run alone")
    from leannet.deploy import export

    found = export(run, out, precision or "float32", input or "float32")
    if json:
        print_json(found.to_dict())
        return
    print(f"{found.path}  {found.size_bytes / 1e6:.2f} MB, {found.precision}")
    for each in found.checks:
        print(f"  {each.line()}")
    print(f"try next  leannet predict {found.path} PICTURE   ·   leannet bench {found.path}")


def _as_folder(run: str, format: Literal["openvino", "ncnn", "litert"], out: Path | None, json: bool) -> None:
    from leannet.deploy.formats import export_folder

    found = export_folder(run, format, out)
    if json:
        print_json(found.to_dict())
        return
    print(f"{found.path}  {found.size_bytes / 1e6:.2f} MB, {found.format}, float32")
    for each in found.checks:
        print(f"  {each.line()}")
    print(f"try next  leannet check {found.path}")


def _fastest(
    run: str,
    data: str | None,
    out: Path | None,
    max_drop: float,
    min_agreement: float,
    threads: int,
    json: bool,
    quiet: bool,
) -> None:
    from leannet.deploy import export_fastest

    found = export_fastest(run, data, out, max_drop, min_agreement, threads, quiet=quiet)
    if json:
        print_json(found.to_dict())
        return
    lines: list[list[Any]] = []
    for each in found.choices:
        agree = "" if each.agreement is None else f"{100 * each.agreement:.2f} %"
        lost = "" if each.drop is None else f"{each.drop:+.2f} ± {1.96 * (each.drop_error or 0):.2f}"
        time = "loses too much" if each.latency is None else f"{each.latency.median_ms:.2f}"
        p90 = "" if each.latency is None else f"{each.latency.p90_ms:.2f}"
        lines.append(
            [each.engine, each.precision, time, p90, lost, agree, each.float_layers or "",
             f"{each.size_bytes / 1e6:.2f}", "<- kept" if each.chosen else ""]
        )  # fmt: skip
    headers = ("engine", "precision", "median ms", "p90 ms", "points lost", "agree", "float layers", "MB", "")
    print_table(headers, lines, left=2, words_last=True)
    print()
    print(f"{found.machine}; one picture at a time, {threads} thread{'s' if threads > 1 else ''}, in turns")
    print(f"written   {found.path}")
    print(f"try next  leannet check {found.path}   ·   leannet predict {found.path} PICTURE")
