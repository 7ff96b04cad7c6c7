"""leannet export: a run as an artifact, one file or a folder, that runs elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table, print_text
from leannet.errors import LeannetError, command_line

if TYPE_CHECKING:
    from leannet.artifact.exporting import Exported
    from leannet.runtime.branching import Branches
    from leannet.sections import FloatInput


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    data: Annotated[
        str | None, typer.Argument(help="With --fastest: images to evaluate on. Default: those of the run.")
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
    branches: Annotated[
        bool,
        typer.Option(
            "--branches", help="Of a network with gates: what an image skips does not run; one image at a time."
        ),
    ] = False,
    gather: Annotated[
        bool,
        typer.Option(
            "--gather", help="The same for any number of images, of which those that run a block are gathered."
        ),
    ] = False,
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
        int | None, typer.Option(help="With --fastest: epochs of quantization-aware training.", min=0)
    ] = None,
    threads: Annotated[int | None, typer.Option(help="With --fastest. Default: 1.", min=1)] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a run as one ONNX file: weights, labels, preprocessing, and golden images to check it by.

    Or as a folder for a runtime that has files of its own.

    Example: leannet export runs/photos
    """
    way: Branches | None = "any" if gather else "one" if branches else None
    options = {"max_drop": max_drop, "min_agreement": min_agreement, "finetune": finetune, "threads": threads}
    for_fastest = {name: value for name, value in options.items() if value is not None}
    if for_fastest and not fastest:
        flag = next(iter(for_fastest)).replace("_", "-")
        raise LeannetError(f"--{flag} goes with --fastest, which is not asked for")
    if format != "onnx":
        if fastest or precision or data or (input and format != "litert"):
            takes = {"litert": "--input, --branches and --out", "ncnn": "--branches and --out"}
            raise LeannetError(f"--format {format} takes a run, {takes.get(format, '--branches and --out')}")
        _export_folder(run, format, out, input or "float32", way, json)
        return
    if fastest:
        if precision or input or way:
            raise LeannetError(
                "--fastest chooses the precision itself: leave out --precision, --input, --branches and --gather"
            )
        _export_fastest(run, data, out, for_fastest, json, quiet)
        return
    if data is not None:
        raise LeannetError(f"{data}: images are for --fastest; expected a run alone")
    from leannet.artifact import export

    exported = export(run, out, precision or "float32", input or "float32", way)
    if json:
        print_json(exported.to_dict())
        return
    print(f"{exported.path}  {exported.size_bytes / 1e6:.2f} MB, {exported.precision}")
    _print_checks(exported)
    print(f"try next  {command_line('predict', exported.path, 'IMAGE')}   ·   {command_line('bench', exported.path)}")


def _export_folder(
    run: str,
    format: Literal["openvino", "ncnn", "litert"],
    out: Path | None,
    input: "FloatInput",
    branches: "Branches | None",
    json: bool,
) -> None:
    from leannet.artifact.exporting import export_folder

    exported = export_folder(run, format, out, input, branches)
    if json:
        print_json(exported.to_dict())
        return
    print(f"{exported.path}  {exported.size_bytes / 1e6:.2f} MB, {exported.format}, float32")
    _print_checks(exported)
    print(f"try next  {command_line('check', exported.path)}")


def _print_checks(exported: "Exported") -> None:
    for check in exported.checks:
        print_text(f"  {check.line()}", "    ")
    if exported.note:
        print_text(f"note      {exported.note}", " " * 10)


def _export_fastest(
    run: str, data: str | None, out: Path | None, options: dict[str, Any], json: bool, quiet: bool
) -> None:
    from leannet.quantization import export_fastest

    fastest = export_fastest(run, data, out, quiet=quiet, **options)
    if json:
        print_json(fastest.to_dict())
        return
    rows: list[list[Any]] = []
    for choice in fastest.choices:
        agreement = "" if choice.agreement is None else f"{100 * choice.agreement:.2f} %"
        lost = "" if choice.drop is None else f"{choice.drop:+.2f} ± {1.96 * (choice.drop_error or 0):.2f}"
        median = "costs too much" if choice.latency is None else f"{choice.latency.median_ms:.2f}"
        p90 = "" if choice.latency is None else f"{choice.latency.p90_ms:.2f}"
        rows.append(
            [choice.engine, choice.precision, median, p90, lost, agreement, choice.float_layers or "",
             f"{choice.size_bytes / 1e6:.2f}", "<- kept" if choice.chosen else ""]
        )  # fmt: skip
    headers = ("engine", "precision", "median ms", "p90 ms", "points lost", "agree", "float layers", "MB", "")
    print_table(headers, rows, left=2, words_last=True)
    print()
    threads = f"{fastest.threads} thread{'s' if fastest.threads > 1 else ''}"
    print_text(f"{fastest.machine.line()}; one image at a time, {threads}, in turns")
    for note in fastest.notes:
        print_text(f"note      {note}", " " * 10)
    print(f"written   {fastest.path}")
    print(f"try next  {command_line('check', fastest.path)}   ·   {command_line('predict', fastest.path, 'IMAGE')}")
