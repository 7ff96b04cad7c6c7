"""leannet count: parameters, mult-adds, shapes and receptive field, from the rows alone."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from leannet.cli.fitting_lines import as_json, print_fit
from leannet.cli.options import Json, Wide
from leannet.cli.output import print_json, print_table, print_text


def command(
    what: Annotated[
        list[str],
        typer.Argument(
            help="Zoo names, architecture JSON files, runs, checkpoints; with a width and a resolution as "
            "mobilenet_v2:0.5@160."
        ),
    ],
    by: Annotated[
        Literal["layer", "row", "type"] | None,
        typer.Option(help="Of one network: a line for each layer (default), each row, or each type of layer."),
    ] = None,
    width: Annotated[
        str, typer.Option(help="The family's own width multiplier; several as 1,0.75,0.5.", metavar="NUMBER[,...]")
    ] = "1",
    resolution: Annotated[
        str | None,
        typer.Option(
            help="Height and width in pixels; several as 224,192,160. Default: the family's own.",
            metavar="PIXELS[,...]",
        ),
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes. Default: the family's own.")] = None,
    in_channels: Annotated[int | None, typer.Option(help="Channels of the image. Default: 3.")] = None,
    convention: Annotated[
        list[str] | None,
        typer.Option(
            help="Of one network: what another tool would print: torch, thop, ptflops, ptflops-aten, fvcore, keras. "
            "Repeat."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Of one network: whether it fits a microcontroller as 8-bit integers: its name, or its SRAM as 256kB.",
            metavar="NAME|SRAM",
        ),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Of several widths or resolutions: a figure to write, .svg, .png or .pdf.")
    ] = None,
    wide: Wide = False,
    json: Json = False,
) -> None:
    """Count parameters and mult-adds, exactly; of several networks, widths or resolutions a line each.

    Example: leannet count mobilenet_v1 --width 1,0.75,0.5,0.25 --resolution 224,192,160,128
    """
    from leannet.errors import LeannetError
    from leannet.what import parse_resolutions, parse_widths

    widths, resolutions = parse_widths(width), parse_resolutions(resolution)
    if len(what) * len(widths) * len(resolutions) == 1 and figure is None:
        _print_one(
            what[0],
            widths[0],
            resolutions[0],
            classes,
            in_channels,
            by or "layer",
            convention or [],
            target,
            wide,
            json,
        )
        return
    for flag, value in (("--by", by), ("--convention", convention), ("--target", target)):
        if value:
            raise LeannetError(f"{flag} says how one network is printed: expected one network, width and resolution")
    _print_several(what, widths, resolutions, classes, in_channels, figure, json)


def _print_several(
    what: list[str],
    widths: list[float],
    resolutions: list[int | None],
    classes: int | None,
    in_channels: int | None,
    figure: Path | None,
    json: bool,
) -> None:
    from leannet.cost import CONVENTION
    from leannet.files import spare_inputs
    from leannet.studies.sweeps import sweep

    if figure is not None:
        from leannet.style import check_format

        check_format(figure)
        spare_inputs([figure], what)
    result = sweep(what, widths, resolutions, classes, in_channels)
    if figure is not None:
        from leannet.studies.sweep_figure import draw

        draw(result, figure)
    if json:
        print_json(result.to_dict() | {"figure": figure and str(figure)})
        return
    numbers = {source: number for number, source in enumerate(result.sources, start=1)}
    print_table(
        ("network", "width", "pixels", "M params", "M mult-adds", "peak MB", "top-1 %"),
        [
            (
                point.name,
                f"{point.width:g}",
                point.resolution,
                f"{point.cost.params / 1e6:.3f}",
                f"{point.cost.macs / 1e6:.2f}",
                f"{point.peak_activation_bytes / 1e6:.2f}",
                ", ".join(f"{figures.top1:.1f} [{numbers[source]}]" for figures, source in point.published),
            )
            for point in result.points
        ],
        words_last=True,
    )
    print()
    print_text(f"counted: {CONVENTION}")
    print("peak: peak activation memory, float32, one image")
    for source, number in numbers.items():
        print_text(f"[{number}] published for 1000 classes: {source}")
    if figure is not None:
        print(f"figure: {figure}")


def _print_one(
    what: str,
    width: float,
    resolution: int | None,
    classes: int | None,
    in_channels: int | None,
    by: Literal["layer", "row", "type"],
    conventions: list[str],
    target: str | None,
    wide: bool,
    json: bool,
) -> None:
    from leannet.cost import CONVENTION, CONVENTIONS, as_counted_by, count, graph
    from leannet.cost.skipping import skipping
    from leannet.errors import LeannetError, nearest
    from leannet.rows.branches import deploy, shipped
    from leannet.what import parse, resolve
    from leannet.zoo import FAMILIES

    architecture = resolve(what, width, resolution, classes, in_channels)
    cost, shape = count(architecture), graph(architecture)
    others = []
    for name in conventions:
        if name not in CONVENTIONS:
            raise LeannetError(f"--convention: no tool is named '{name}'; nearest: {nearest(name, CONVENTIONS)}")
        params, operations = as_counted_by(architecture, CONVENTIONS[name])
        others.append({"tool": name, "params": params, "operations": operations, "why": CONVENTIONS[name].why})
    fitting = None
    if target is not None:
        from leannet.microcontrollers import fit
        from leannet.microcontrollers import target as named

        fitting = named(target), fit(architecture)
    word = parse(what)
    notes = list(FAMILIES[word.name].notes) if word.in_zoo else []
    folded = count(shipped(architecture)) if deploy(architecture).maps else None
    saving = skipping(architecture)
    if json:
        left = None if folded is None else {"params": folded.params, "macs": folded.macs}
        data = _as_json(cost, shape) | {"notes": notes, "conventions": others, "reparameterized": left}
        data |= {} if saving is None else {"skipping": saving.to_dict()}
        print_json(data | ({} if fitting is None else {"target": as_json(fitting[1], fitting[0])}))
        return
    size = architecture.input
    print(f"{architecture.name} at {size.width} x {size.height} px, {architecture.classes} classes")
    print()
    notes += {"layer": _print_layers, "row": _print_rows, "type": _print_types}[by](cost, shape, wide)
    print()
    total = cost.total
    print(f"{total.params:,} params ({cost.weight_bytes / 1e6:.2f} MB in float32), {total.macs:,} mult-adds")
    if folded is not None:
        print(f"{folded.params:,} params, {folded.macs:,} mult-adds reparameterized, as it is exported and timed")
    if saving is not None:
        print_text(
            f"{len(saving.decisions)} decisions: an image runs {saving.least:,} to {saving.total:,} mult-adds, "
            f"{saving.deciding:,} of them to decide ({100 * saving.deciding / saving.total:.2f} %)"
        )
    print_text(f"counted: {CONVENTION}")
    for other in others:
        print_text(f"{other['tool']}: {other['params']:,} params, {other['operations']:,} operations: {other['why']}")
    for note in notes:
        print_text(note)
    if fitting is not None:
        print()
        form = (f":{width:g}" if width != 1.0 else "") + (f"@{resolution}" if resolution else "")
        print_fit(fitting[1], fitting[0], what + form)


RECEPTIVE_FIELD = "receptive field: in pixels of the image"


def _print_layers(cost: Any, shape: Any, wide: bool) -> list[str]:
    """Prints a line a layer; returns what its columns mean."""
    headers = ("layer", "type / stride", "filter", "input", "output", "params", "mult-adds", "fraction of dense",
               "receptive field")  # fmt: skip
    print_table(
        headers,
        [
            (
                layer.path,
                f"{layer.type} / s{layer.stride}",
                layer.filter,
                layer.in_shape,
                layer.out_shape,
                f"{layer.params:,}",
                f"{layer.macs:,}",
                f"{100 * layer.saving:.1f} %" if layer.saving else "",
                layer.receptive_field,
            )
            for layer in cost.layers
            if layer.filter
        ],
        left=5,
        optional=("receptive field", "output", "filter", "fraction of dense"),
        wide=wide,
    )
    dense = "fraction of dense: a depthwise and a pointwise layer over the convolution they replace, 1/N + 1/Dk^2"
    return [*[dense] * any(layer.saving for layer in cost.layers), RECEPTIVE_FIELD]


def _print_rows(cost: Any, shape: Any, wide: bool) -> list[str]:
    """Prints a line a row; returns what its columns mean."""
    total = cost.total
    headers = ("row", "mult-adds", "%", "params", "%", "MB moved", "mult-adds/byte", "peak MB", "depth", "branches",
               "receptive field")  # fmt: skip
    print_table(
        headers,
        [
            (
                group.name,
                f"{group.macs:,}",
                _percent(group.macs, total.macs),
                f"{group.params:,}",
                _percent(group.params, total.params),
                f"{group.bytes_moved / 1e6:.2f}",
                f"{row.arithmetic_intensity:.1f}",
                f"{row.peak_activation_bytes / 1e6:.2f}",
                row.sequential_depth,
                row.branches,
                row.receptive_field,
            )
            for group, row in zip(cost.by_row(), shape.rows, strict=True)
        ],
        optional=("mult-adds/byte", "MB moved", "branches", "depth", "receptive field"),
        wide=wide,
    )
    return [
        "MB moved: inputs and weights read, outputs written; peak MB: peak activation memory while the row runs; "
        "float32, one image",
        "depth: layers with weights on the longest path to here; branches: how many of this row's are at one depth",
        RECEPTIVE_FIELD,
    ]


def _print_types(cost: Any, shape: Any, wide: bool) -> list[str]:
    """Prints a line a type of layer; its columns need no words."""
    total = cost.total
    print_table(
        ("type", "layers", "mult-adds", "%", "params", "%", "weights alone", "%"),
        [
            (
                group.name,
                group.layers,
                f"{group.macs:,}",
                _percent(group.macs, total.macs),
                f"{group.params:,}",
                _percent(group.params, total.params),
                f"{group.weights:,}",
                _percent(group.weights, total.weights),
            )
            for group in cost.by_type()
        ],
    )
    return []


def _percent(value: int, total: int) -> str:
    return f"{100 * value / max(total, 1):.2f}"


def _as_json(cost: Any, shape: Any) -> dict[str, Any]:
    """The count with what the graph knows of each row, and of the whole."""
    data = cost.to_dict() | shape.to_dict()
    data["by_row"] = [group | asdict(row) for group, row in zip(data["by_row"], shape.rows, strict=True)]
    return dict(data)
