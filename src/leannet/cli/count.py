"""leannet count: parameters, mult-adds, shapes and receptive field, from the rows alone."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from leannet.cli.options import Json, Resolution, Width
from leannet.cli.output import print_json, print_table


def command(
    what: Annotated[str, typer.Argument(help="A zoo name, an architecture JSON file, a run, or a checkpoint.")],
    by: Annotated[
        Literal["layer", "row", "type"],
        typer.Option(help="A line for each layer, each row of the table, or each type."),
    ] = "layer",
    width: Width = 1.0,
    resolution: Resolution = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes. Default: the family's own.")] = None,
    in_channels: Annotated[int | None, typer.Option(help="Channels of the image. Default: 3.")] = None,
    convention: Annotated[
        list[str] | None,
        typer.Option(help="What another tool would print: torch, thop, ptflops, ptflops-aten, fvcore, keras. Repeat."),
    ] = None,
    json: Json = False,
) -> None:
    """Count parameters and mult-adds, exactly.

    Example: leannet count mobilenet_v1 --by type
    """
    from leannet.cost import CONVENTION, CONVENTIONS, as_counted_by, count, graph
    from leannet.errors import LeannetError, nearest
    from leannet.what import resolve
    from leannet.zoo import FAMILIES

    architecture = resolve(what, width, resolution, classes, in_channels)
    cost, shape = count(architecture), graph(architecture)
    others = []
    for name in convention or ():
        if name not in CONVENTIONS:
            raise LeannetError(f"--convention: no tool is named '{name}'; nearest: {nearest(name, CONVENTIONS)}")
        params, operations = as_counted_by(architecture, CONVENTIONS[name])
        others.append({"tool": name, "params": params, "operations": operations, "why": CONVENTIONS[name].why})
    notes = list(FAMILIES[what].notes) if what in FAMILIES else []
    if json:
        print_json(_as_json(cost, shape) | {"notes": notes, "conventions": others})
        return
    size = architecture.input
    print(f"{architecture.name} at {size.width} x {size.height} px, {architecture.classes} classes")
    print()
    total = cost.total
    if by == "layer":
        print_table(
            ("layer", "type / stride", "filter", "input", "output", "params", "mult-adds", "of dense", "sees"),
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
        )
        if any(layer.saving for layer in cost.layers):
            notes.append(
                "of dense: a depthwise and a pointwise layer over the convolution they stand for, 1/N + 1/Dk^2"
            )
        notes.append("sees: receptive field in pixels of the image")
    elif by == "row":
        print_table(
            (
                "row",
                "mult-adds",
                "%",
                "params",
                "%",
                "MB moved",
                "mult-adds/byte",
                "MB held",
                "depth",
                "branches",
                "sees",
            ),
            [
                (
                    group.name,
                    f"{group.macs:,}",
                    f"{100 * group.macs / max(total.macs, 1):.2f}",
                    f"{group.params:,}",
                    f"{100 * group.params / max(total.params, 1):.2f}",
                    f"{group.bytes_moved / 1e6:.2f}",
                    f"{row.arithmetic_intensity:.1f}",
                    f"{row.peak_activation_bytes / 1e6:.2f}",
                    row.sequential_depth,
                    row.branches,
                    row.receptive_field,
                )
                for group, row in zip(cost.by_row(), shape.rows, strict=True)
            ],
        )
        notes += [
            "MB moved: inputs and weights read, outputs written; MB held: the most activations there are while the row "
            "runs; float32, one image",
            "depth: layers with weights on the longest way to here; branches: most of this row's at one depth",
            "sees: receptive field in pixels of the image",
        ]
    else:
        print_table(
            (by, "layers", "mult-adds", "%", "params", "%", "weights alone", "%"),
            [
                (
                    group.name,
                    group.layers,
                    f"{group.macs:,}",
                    f"{100 * group.macs / max(total.macs, 1):.2f}",
                    f"{group.params:,}",
                    f"{100 * group.params / max(total.params, 1):.2f}",
                    f"{group.weights:,}",
                    f"{100 * group.weights / max(total.weights, 1):.2f}",
                )
                for group in cost.by_type()
            ],
        )
    print()
    print(f"{total.params:,} params ({cost.weight_bytes / 1e6:.2f} MB in float32), {total.macs:,} mult-adds")
    print(f"counted: {CONVENTION}")
    for other in others:
        print(f"{other['tool']}: {other['params']:,} params, {other['operations']:,} operations: {other['why']}")
    for note in notes:
        print(note)


def _as_json(cost: Any, shape: Any) -> dict[str, Any]:
    """The count with what the graph knows of each row, and of the whole."""
    data = cost.to_dict() | shape.to_dict()
    data["by_row"] = [group | asdict(row) for group, row in zip(data["by_row"], shape.rows, strict=True)]
    return dict(data)
