"""leannet export: a run as an artifact, one file or a folder, that runs elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table
from leannet.errors import LeannetError, command_line

if TYPE_CHECKING:
    from leannet.artifact.exporting import Exported


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    data: Annotated[
        str | None, typer.Argument(help="With --fastest: images to judge on. Default: those of the run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: model.onnx, or a folder, beside the checkpoint.")] = None,
    precision: Annotated[
        Literal["float32", "float16", "bfloat16"] | None,
        typer.Option(help="Of the weights; bfloat16: also of what OpenVINO computes in. Integers: leannet quantize."),
    ] = None,
    input: Annotated[
        Literal["float32", "uint8", "uint8-sized"] | None,
        typer.Option(
            help="uint8: the graph takes images of any size, and resizes (as Pillow does in ONNX Runtime alone) and "
            "normalizes them. uint8-sized: images of the network's size, and normalizes them."
        ),
    ] = None,
    format: Annotated[
        Literal["onnx", "openvino", "ncnn", "litert"],
        typer.Option(help="onnx: one file. The others: a folder of theirs."),
    ] = "onnx",
    fastest: Annotated[
        bool,
        typer.Option(
            "--fastest",
            help="Measure engines and precisions here; keep the best. --out X.onnx: of those that read ONNX.",
        ),
    ] = False,
    max_drop: Annotated[
        float | None, typer.Option(help="With --fastest: points of accuracy that rounding may cost. Default: 0.5.")
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(help="With --fastest: the least share of images that keep their class.", min=0, max=1),
    ] = None,
    finetune: Annotated[
        int | None, typer.Option(help="With --fastest: epochs of training with rounding in place.", min=0)
    ] = None,
    threads: Annotated[int | None, typer.Option(help="With --fastest. Default: 1.", min=1)] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a run as one ONNX file: weights, labels, preprocessing, and golden images to check it by.

    Or as a folder for a runtime that has files of its own.

    Example: leannet export runs/photos
    """
    words = {"max_drop": max_drop, "min_agreement": min_agreement, "finetune": finetune, "threads": threads}
    given = {name: value for name, value in words.items() if value is not None}
    if given and not fastest:
        raise LeannetError(f"--{next(iter(given)).replace('_', '-')} goes with --fastest, which is not asked for")
    if format != "onnx":
        if fastest or precision or input or data:
            raise LeannetError(f"--format {format} takes a run and --out alone")
        _as_folder(run, format, out, json)
        return
    if fastest:
        if precision or input:
            raise LeannetError("--fastest chooses the precision itself: leave out --precision and --input")
        _fastest(run, data, out, given, json, quiet)
        return
    if data is not None:
        raise LeannetError(f"{data}: images are for --fastest; expected a run alone")
    from leannet.artifact import export

    found = export(run, out, precision or "float32", input or "float32")
    if json:
        print_json(found.to_dict())
        return
    print(f"{found.path}  {found.size_bytes / 1e6:.2f} MB, {found.precision}")
    _print_checks(found)
    print(f"try next  {command_line('predict', found.path, 'IMAGE')}   ·   {command_line('bench', found.path)}")


def _as_folder(run: str, format: Literal["openvino", "ncnn", "litert"], out: Path | None, json: bool) -> None:
    from leannet.artifact.exporting import export_folder

    found = export_folder(run, format, out)
    if json:
        print_json(found.to_dict())
        return
    print(f"{found.path}  {found.size_bytes / 1e6:.2f} MB, {found.format}, float32")
    _print_checks(found)
    print(f"try next  {command_line('check', found.path)}")


def _print_checks(found: "Exported") -> None:
    for each in found.checks:
        print(f"  {each.line()}")
    if found.note:
        print(f"note      {found.note}")


def _fastest(run: str, data: str | None, out: Path | None, words: dict[str, Any], json: bool, quiet: bool) -> None:
    from leannet.quantization import export_fastest

    found = export_fastest(run, data, out, quiet=quiet, **words)
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
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    print(f"{found.machine.line()}; one image at a time, {threads}, in turns")
    print(f"written   {found.path}")
    print(f"try next  {command_line('check', found.path)}   ·   {command_line('predict', found.path, 'IMAGE')}")
