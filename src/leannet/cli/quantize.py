"""leannet quantize: a run as 8-bit integers, evaluated before it is kept."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from leannet.cli.options import Json, Quiet
from leannet.cli.output import print_json, print_table, print_text
from leannet.errors import LeannetError, command_line

if TYPE_CHECKING:
    from leannet.quantization.quantized import Quantized


def command(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint.")],
    data: Annotated[
        str | None, typer.Argument(help="Images to calibrate and to evaluate on. Default: those of the run.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: model.int8.onnx, or model_litert_int8, beside it.")] = None,
    engine: Annotated[
        Literal["onnxruntime", "openvino", "litert"],
        typer.Option(help="The one that it is to run in. litert, for phones, gets a folder."),
    ] = "onnxruntime",
    max_drop: Annotated[
        float, typer.Option(help="The most points of accuracy that it may cost. Too few images for it: noise decides.")
    ] = 0.5,
    min_agreement: Annotated[
        float, typer.Option(help="The least share of images that keep their class, as 0.99.", min=0, max=1)
    ] = 0.0,
    calibration: Annotated[int, typer.Option(help="Training images to measure ranges on.", min=1)] = 512,
    keep_float: Annotated[list[str] | None, typer.Option(help="A layer that stays in float. Repeat.")] = None,
    finetune: Annotated[int, typer.Option(help="Epochs of quantization-aware training before.", min=0)] = 0,
    input: Annotated[
        Literal["float32", "uint8", "uint8-sized", "int8"],
        typer.Option(
            help="uint8: the graph takes images of any size, and resizes (as Pillow does in ONNX Runtime alone) and "
            "normalizes them. uint8-sized: images of the network's size, and normalizes them. int8, for litert: "
            "input and outputs are integers, as TensorFlow Lite Micro runs them."
        ),
    ] = "float32",
    c_array: Annotated[
        bool, typer.Option("--c-array", help="For litert: a C header beside it, with the file as an array.")
    ] = False,
    branches: Annotated[
        bool,
        typer.Option(
            "--branches", help="Of a network with gates: what an image skips does not run; one image at a time."
        ),
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Measure the noise of each layer alone too, which takes longest.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn a run into 8-bit integers: smaller, often faster, and no worse than you allow.

    Accuracy is compared on the validation images, one by one. Where it costs more than --max-drop, the layers that do
    most harm stay in float; where that is not enough, nothing is written and the exit status is 2. Images that are too
    few to show such a loss do not decide: then the noise does that the integers add to the outputs.

    Example: leannet quantize runs/photos
    """
    from leannet.quantization import quantize

    quantized = quantize(
        run, data, out, engine, max_drop, min_agreement, calibration, keep_float or (), finetune, quiet, input,
        layers=layers, c_array=c_array, branches="one" if branches else None,
    )  # fmt: skip
    if json:
        print_json(quantized.to_dict())
    else:
        _print(quantized)
    if quantized.path is None:
        epochs = "more epochs of --finetune" if finetune else "--finetune 3"
        raise LeannetError(
            f"{run}: {_refusal(quantized)}, with {len(quantized.float_layers)} of {quantized.layer_count} layers in "
            f"float; nothing was written; try {epochs}, or allow more"
        )


def _print(quantized: "Quantized") -> None:
    from leannet.quantization.comparison import ClassComparison

    if quantized.layers:
        worst = sorted(quantized.layers, key=lambda layer: layer.decibels)[:8]
        print_table(
            ["worst layers, each alone", "kind", "outputs over noise", "kept as"],
            [[each.path, each.kind, f"{each.decibels:.1f} dB", _kept_as(each.path, quantized)] for each in worst],
            left=2,
            words_last=True,
        )
    cost = quantized.cost
    is_classifier = isinstance(cost, ClassComparison)
    print(f"{'accuracy' if is_classifier else 'as float':<9} {quantized.before.line()}")
    print(f"as int8   {quantized.after.line()}")
    if isinstance(cost, ClassComparison):
        low, high = cost.drop_interval
        print_text(
            f"lost      {cost.drop:+.2f} points (95 % interval {low:+.2f} to {high:+.2f}): {cost.lost} images "
            f"are incorrect now that were correct, {cost.gained} correct that were incorrect",
            " " * 10,
        )
        print(f"agreement {100 * cost.agreement:.2f} % of images keep their class")
        print(f"noise     outputs {cost.decibels:.1f} dB over it")
    else:
        print(f"lost      {cost.drop:+.2f} points of AP")
        print(f"agreement {100 * cost.agreement:.2f} % of the likely objects are found by both")
    print_text(
        f"in float  {len(quantized.float_layers)} of {quantized.layer_count} layers"
        + "".join(f"{', ' if index else ': '}{path}" for index, path in enumerate(quantized.float_layers)),
        " " * 10,
    )
    print(f"size      {quantized.size_bytes_before / 1e6:.2f} MB -> {quantized.size_bytes_after / 1e6:.2f} MB")
    if quantized.latency_before and quantized.latency_after:
        before, after = quantized.latency_before.median_ms, quantized.latency_after.median_ms
        print_text(f"latency   {before:.2f} ms -> {after:.2f} ms ({after / before:.2f}); batch 1, one thread, "
              f"{quantized.engine}, {quantized.machine.line()}", " " * 10)  # fmt: skip
    for note in quantized.notes:
        print_text(f"note      {note}", " " * 10)
    if quantized.path:
        print(f"written   {quantized.path}{' with model.h' if (quantized.path / 'model.h').exists() else ''}")
        check, predict = command_line("check", quantized.path), command_line("predict", quantized.path, "IMAGE")
        print(f"try next  {check}   ·   {predict}")


def _kept_as(path: str, quantized: "Quantized") -> str:
    return "float" if path in quantized.float_layers else "int8"


def _refusal(quantized: "Quantized") -> str:
    """Why nothing was written."""
    from leannet.quantization.comparison import MIN_AGREEMENT, ClassComparison, min_decibels

    cost, needed = quantized.cost, quantized.min_agreement
    what = "images keep their class" if isinstance(cost, ClassComparison) else "objects are found by both"
    agreement = f"{100 * cost.agreement:.2f} % of {what}"
    if not isinstance(cost, ClassComparison) or quantized.decided_by == "accuracy":
        return (
            f"as int8 it loses {quantized.drop:.2f} points (allowed: --max-drop {quantized.max_drop:g}) and "
            f"{agreement} (needed: --min-agreement {needed:g})"
        )
    least = f"{min_decibels(quantized.max_drop):.1f}"
    return (
        f"as int8 its outputs are {cost.decibels:.1f} dB over the noise (needed: {least}), it loses "
        f"{quantized.drop:.2f} points, and {agreement} (needed: {100 * max(needed, MIN_AGREEMENT):g} %)"
    )
