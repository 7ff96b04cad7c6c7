"""leannet compare: networks side by side."""

from pathlib import Path
from typing import Annotated, Any

import typer

from leannet.cli.options import Json, Quiet, Resolution, Width
from leannet.cli.output import print_json, print_table


def command(
    what: Annotated[list[str], typer.Argument(help="Zoo names, architecture files, runs, checkpoints, artifacts.")],
    width: Width = 1.0,
    resolution: Resolution = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes. Default: each its own.")] = None,
    out: Annotated[Path | None, typer.Option(help="A page to write: curves, fronts, table, settings.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="A folder for every figure as PNG and SVG, and its data as CSV.")
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure latency; leave the machine alone.")] = False,
    engine: Annotated[str | None, typer.Option(help="To measure in. Default: onnxruntime.")] = None,
    threads: Annotated[int | None, typer.Option(help="To measure with. Default: 1.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="To measure for, all together. Default: 10.", min=0.1)] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set networks side by side: parameters, mult-adds, memory, depth, branches, published or own accuracy.

    With --out as a page: curves together, accuracy against cost with the Pareto front, settings that differ.

    Example: leannet compare runs/a runs/b runs/a/model.int8.onnx --measure --out compare.html
    """
    from leannet.errors import LeannetError
    from leannet.files import check_page, spare_inputs
    from leannet.reports.comparing import compare, write_figures, write_page

    check_page(out, images)
    spare_inputs([out], what)
    given = {"--engine": engine, "--threads": threads, "--seconds": seconds}
    extra = [name for name, value in given.items() if value is not None]
    if extra and not measure:
        raise LeannetError(f"{extra[0]}: expected --measure with it, since it says how to measure")
    if measure and classes is not None:
        raise LeannetError("--measure times networks as they are: leave out --classes")
    found = compare(what, width, resolution, classes)
    if measure:
        how = engine or "onnxruntime", threads or 1, seconds or 10.0
        found = compare(what, width, resolution, timing=_time(what, *how, width, resolution, quiet))
    page = write_page(found, out) if out is not None else None
    drawn = write_figures(found, images) if images is not None else []
    if json:
        print_json(found.to_dict() | {"page": page and str(page), "images": [str(path) for path in drawn]})
        return
    _print(found)
    for line in found.warnings:
        print(f"warning: {line}")
    if page is not None:
        print(f"page      {page}")
    if drawn:
        print(f"images  {len(drawn)} files in {images}")


def _time(
    what: list[str], engine: str, threads: int, seconds: float, width: float, resolution: int | None, quiet: bool
) -> Any:
    from leannet.benchmark import bench
    from leannet.console import Console
    from leannet.reports.comparing import Timing

    with Console(quiet).bar(1) as bar:
        found = bench(
            what, [engine], ["float32"], [threads], 1, width, resolution, seconds, memory=False,
            progress=lambda label: bar.advance(0, "timing", label),
        )  # fmt: skip
    words = f"{found.timed[0].engine}, {threads} thread{'s' if threads > 1 else ''}, batch 1, {found.machine.line()}"
    return Timing(words, {each.what: each.latency for each in found.timed})


def _print(found: Any) -> None:
    timed, trained = found.timing is not None, any(each.progress.epochs for each in found.networks)
    headers = ["network", "pixels", "params", "mult-adds", *["median ms"] * timed, "MB moved", "MB held",
               "mult-adds/byte", "depth", "branches", *["epochs"] * trained, "top-1", "source"]  # fmt: skip
    rows = []
    for each in found.networks:
        accuracy, latency = each.accuracy, each.latency
        rows.append(
            [
                each.architecture.name if each.kind == "zoo name" else each.what,
                each.architecture.input.height,
                f"{each.cost.params:,}",
                f"{each.cost.macs:,}",
                *["" if latency is None else f"{latency.median_ms:.2f}"] * timed,
                f"{each.cost.total.bytes_moved / 1e6:.1f}",
                f"{each.shape.peak_activation_bytes / 1e6:.2f}",
                f"{each.shape.arithmetic_intensity:.1f}",
                each.shape.sequential_depth,
                each.shape.branches,
                *[each.progress.epochs] * trained,
                "" if accuracy is None else f"{100 * accuracy.value:.1f} %",
                "" if accuracy is None else accuracy.source,
            ]
        )
    print_table(headers, rows, words_last=True)
    print()
    print("MB moved: each layer reads its inputs and weights and writes its output once; MB held: the most activations")
    print(
        "there are at once; float32, one image. depth: layers with weights on the longest way; branches: most of them"
    )
    print("at one depth.")
    if found.timing is not None:
        print(f"median ms: {found.timing.words}")
