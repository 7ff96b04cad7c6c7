"""leannet quantize: a run as 8-bit integers, judged before it is kept."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table
from leannet.errors import LeannetError, command_line


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    data: Annotated[
        str | None, typer.Argument(help="Images to calibrate and to judge on. Default: those of the run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: model.int8.onnx, or model_litert_int8, beside it.")] = None,
    engine: Annotated[
        Literal["onnxruntime", "openvino", "litert"],
        typer.Option(help="The one that it is to run in. litert, for phones, gets a folder."),
    ] = "onnxruntime",
    max_drop: Annotated[
        float, typer.Option(help="The most points of accuracy that it may cost; below 0: what it must gain.")
    ] = 0.5,
    min_agreement: Annotated[
        float, typer.Option(help="The least share of images that keep their class, as 0.99.", min=0, max=1)
    ] = 0.0,
    calibration: Annotated[int, typer.Option(help="Training images to measure ranges on.", min=1)] = 512,
    keep_float: Annotated[list[str] | None, typer.Option(help="A layer that stays in float. Repeat.")] = None,
    finetune: Annotated[int, typer.Option(help="Epochs of training with rounding in place, before.", min=0)] = 0,
    input: Annotated[
        Literal["float32", "uint8", "uint8-sized"],
        typer.Option(
            help="uint8: the graph takes images of any size, and resizes (as Pillow does in ONNX Runtime alone) and "
            "normalizes them. uint8-sized: images of the network's size, and normalizes them."
        ),
    ] = "float32",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn a run into 8-bit integers: smaller, often faster, and no worse than you allow.

    Accuracy is compared on the validation images, one by one. Where it costs more than --max-drop, the layers that do
    most harm stay in float; where that is not enough, nothing is written and the exit status is 2.

    Example: leannet quantize runs/photos
    """
    from leannet.quantization import quantize

    found = quantize(
        run, data, out, engine, max_drop, min_agreement, calibration, keep_float or (), finetune, quiet, input
    )
    if json:
        print_json(found.to_dict())
    else:
        worst = sorted(found.layers, key=lambda layer: layer.decibels)[:8]
        rows = [[layer.path, layer.kind, f"{layer.decibels:.1f} dB", "float" if layer.kept_float else "int8"]
                for layer in worst]  # fmt: skip
        print_table(
            ["worst layers, each alone", "kind", "outputs over noise", "kept as"], rows, left=2, words_last=True
        )
        print(f"accuracy  {found.before.line()}")
        print(f"as int8   {found.after.line()}")
        print(f"lost      {found.drop:+.2f} points, standard error {found.drop_error:.2f}: "
              f"{found.lost} images are wrong now that were right, {found.gained} right that were wrong")  # fmt: skip
        print(f"agreement {100 * found.agreement:.2f} % of images keep their class")
        print(f"size      {found.size_bytes_before / 1e6:.2f} MB -> {found.size_bytes_after / 1e6:.2f} MB")
        if found.latency_before and found.latency_after:
            before, after = found.latency_before.median_ms, found.latency_after.median_ms
            print(f"latency   {before:.2f} ms -> {after:.2f} ms ({after / before:.2f}); batch 1, one thread, "
                  f"{found.engine}, {found.machine.line()}")  # fmt: skip
        if found.path:
            print(f"written   {found.path}")
            print(f"try next  {command_line('check', found.path)}   ·   {command_line('predict', found.path, 'IMAGE')}")
    if found.path is None:
        raise LeannetError(
            f"{run}: as int8 it loses {found.drop:.2f} points (allowed: --max-drop {max_drop:g}) and "
            f"{100 * found.agreement:.2f} % of images keep their class (needed: --min-agreement {min_agreement:g}), "
            f"with {len(found.kept_float)} of {len(found.layers)} layers in float; nothing was written; "
            f"try {'more epochs of --finetune' if finetune else '--finetune 3'}, or allow more"
        )
