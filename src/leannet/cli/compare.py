"""leannet compare: networks side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leannet.cli.options import Json, Quiet, Resolution, Wide, Width
from leannet.cli.output import print_json, print_table

if TYPE_CHECKING:
    from leannet.reports.comparison import Comparison, Timing
    from leannet.reports.comparison.network import ComparedNetwork
    from leannet.rows.endpoints import Input

LINE = 80  # letters of what is said below the table
NAME = 30  # letters of a name that takes one line
MEANINGS = {
    "MB moved": "MB moved: each layer reads its inputs and weights and writes its output once",
    "peak MB": "peak MB: the most memory that activations take at once",
    "mult-adds/byte": "mult-adds/byte: over the bytes moved",
    "depth": "depth: layers with weights on the longest path",
    "branches": "branches: the most such layers at one depth",
}
OMITTED_FIRST = ("mult-adds/byte", "branches", "MB moved", "peak MB", "depth")  # where the terminal is narrow


def command(
    what: Annotated[list[str], typer.Argument(help="Zoo names, architecture files, runs, checkpoints, artifacts.")],
    width: Width = 1.0,
    resolution: Resolution = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes. Default: each its own.")] = None,
    out: Annotated[Path | None, typer.Option(help="A page to write: curves, fronts, table, settings.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="A folder for every figure as PNG and SVG, and its data as CSV.")
    ] = None,
    wide: Wide = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure latency; leave the machine alone.")] = False,
    engine: Annotated[str | None, typer.Option(help="To measure in. Default: onnxruntime.")] = None,
    threads: Annotated[int | None, typer.Option(help="To measure with. Default: 1.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="To measure for, all together. Default: 10.", min=0.1)] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set networks side by side: parameters, mult-adds, memory, depth, accuracy, and whether its difference is shown.

    With --out as a page: curves together, accuracy against cost with the Pareto front, settings that differ.

    Example: leannet compare runs/a runs/b runs/a/model.int8.onnx --measure --out compare.html
    """
    from leannet.errors import LeannetError
    from leannet.files import check_page, spare_inputs
    from leannet.reports.comparison import compare, write_figures, write_page

    check_page(out, figures)
    spare_inputs([out], what)
    options = {"--engine": engine, "--threads": threads, "--seconds": seconds}
    extra = [name for name, value in options.items() if value is not None]
    if extra and not measure:
        raise LeannetError(f"{extra[0]}: expected --measure with it, since it says how to measure")
    if measure and classes is not None:
        raise LeannetError("--measure times networks as they are: leave out --classes")
    comparison = compare(what, width, resolution, classes)
    if measure:
        how = engine or "onnxruntime", threads or 1, seconds or 10.0
        comparison = compare(what, width, resolution, timing=_time(what, *how, width, resolution, quiet))
    page = write_page(comparison, out) if out is not None else None
    paths = write_figures(comparison, figures) if figures is not None else []
    if json:
        print_json(comparison.to_dict() | {"page": page and str(page), "figures": [str(path) for path in paths]})
        return
    _print(comparison, wide)
    for line in comparison.warnings:
        _say(f"warning: {line}")
    if page is not None:
        print(f"page      {page}")
    if paths:
        print(f"figures   {len(paths)} files in {figures}")


def _time(
    what: list[str], engine: str, threads: int, seconds: float, width: float, resolution: int | None, quiet: bool
) -> "Timing":
    from leannet.benchmark import bench
    from leannet.console import Console
    from leannet.reports.comparison import Timing

    with Console(quiet).bar(1) as bar:
        timed = bench(
            what, [engine], ["float32"], [threads], 1, width, resolution, seconds, memory=False,
            progress=lambda label: bar.advance(0, "timing", label),
        )  # fmt: skip
    conditions = (
        f"{timed.timed[0].engine}, {threads} thread{'s' if threads > 1 else ''}, batch 1, {timed.machine.line()}"
    )
    return Timing(conditions, {row.what: row.latency for row in timed.timed})


def _print(comparison: "Comparison", wide: bool) -> None:
    """The table, the verdicts, and what the columns mean."""
    from leannet.reports.comparison.verdict import listed

    networks = comparison.networks
    is_timed, has_runs = comparison.timing is not None, any(network.progress.epochs for network in networks)
    winners = [network for verdict in comparison.verdicts for network in verdict.winners]
    headers = ["network", "pixels", "params", "mult-adds", *["median ms"] * is_timed, *MEANINGS]
    has_boxes = any(network.ap is not None for network in networks)
    has_classes = not has_boxes or any(network.accuracy for network in networks)
    headers += [*["epochs"] * has_runs, *["accuracy"] * has_classes, *["AP50", "AP"] * has_boxes, *["source"] * wide]
    rows = []
    for network in networks:
        accuracy, latency = network.accuracy, network.latency
        best = " *" if any(network is winner for winner in winners) else "  " if winners else ""
        rows.append(
            [
                network.what if wide else network.label,
                _pixels(network.architecture.input),
                f"{network.cost.params:,}",
                f"{network.macs:,}",
                *["" if latency is None else f"{latency.median_ms:.2f}"] * is_timed,
                f"{network.cost.total.bytes_moved / 1e6:.1f}",
                f"{network.shape.peak_activation_bytes / 1e6:.2f}",
                f"{network.shape.arithmetic_intensity:.1f}",
                network.shape.sequential_depth,
                network.shape.branches,
                *[network.progress.epochs] * has_runs,
                *["" if accuracy is None else f"{100 * accuracy.value:.1f} %{best}"] * has_classes,
                *["" if x is None else f"{100 * x:.1f} %" for x in (network.ap50, network.ap)] * has_boxes,
                *[_source(network)] * wide,
            ]
        )
    longest = max(len(str(row[0])) for row in rows)
    omitted = print_table(
        headers,
        rows,
        words_last=wide,
        optional=[*OMITTED_FIRST, "pixels"],
        wrapped="network" if longest > NAME else None,
        wide=wide,
    )
    print()
    for verdict in comparison.verdicts:
        _say(verdict.sentence())
    if winners:
        print("*: the best accuracy")
    meanings = [meaning for header, meaning in MEANINGS.items() if header not in omitted]
    if meanings:
        _say(f"{'; '.join(meanings)}. In float32, for one image.")
    if not wide:
        sources = _sources(networks)
        for source, names in sources.items():
            _say(f"accuracy{f' of {listed(names)}' if len(sources) > 1 else ''}: {source}")
    if has_boxes:
        _say(
            "AP50, AP: average precision on each network's own validation images, at an IoU of 0.5 and over 0.5 to 0.95"
        )
    if comparison.timing is not None:
        _say(f"median ms: {comparison.timing.conditions}")


def _pixels(shape: "Input") -> str:
    """240, or of what is no square 320 x 240."""
    return str(shape.height) if shape.height == shape.width else f"{shape.width} x {shape.height}"


def _source(network: "ComparedNetwork") -> str:
    """Where an accuracy is from, and what other sources print."""
    others = [f"{100 * top1:.1f} % in {source}" for source, top1 in network.published[1:]]
    return "; ".join([network.accuracy.source, *others]) if network.accuracy else ""


def _sources(networks: "tuple[ComparedNetwork, ...]") -> dict[str, list[str]]:
    """Where accuracies are from, and which networks' they are."""
    names: dict[str, list[str]] = {}
    for network in networks:
        if network.accuracy is not None:
            names.setdefault(network.accuracy.source, []).append(network.label)
    return names


def _say(words: str) -> None:
    import textwrap

    print(textwrap.fill(words, LINE, break_long_words=False, break_on_hyphens=False))
