"""leannet compare: networks side by side."""

from typing import Annotated, Any

import typer

from leannet.cli.options import Json, Resolution, Width
from leannet.cli.output import print_json, print_table


def command(
    what: Annotated[list[str], typer.Argument(help="Zoo names, architecture JSON files, runs, checkpoints.")],
    width: Width = 1.0,
    resolution: Resolution = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes. Default: each its own.")] = None,
    json: Json = False,
) -> None:
    """Set networks side by side: parameters, mult-adds, memory, depth, branches, published or own accuracy.

    Example: leannet compare mobilenet_v2 shufflenet_v2 squeezenet_1_1
    """
    from leannet.cost import count, graph
    from leannet.cost.published import find
    from leannet.what import resolve
    from leannet.zoo import FAMILIES

    lines: list[dict[str, Any]] = []
    for word in what:
        in_zoo = word in FAMILIES
        architecture = resolve(word, width if in_zoo else 1.0, resolution, classes)
        cost, shape = count(architecture), graph(architecture)
        top1, source = find(word, width, architecture.input.height) if in_zoo else _own_accuracy(word)
        lines.append(
            {
                "name": architecture.name if in_zoo else word,
                "resolution": architecture.input.height,
                "params": cost.params,
                "macs": cost.macs,
                "bytes_moved": cost.total.bytes_moved,
                **shape.to_dict(),
                "receptive_field": max(layer.receptive_field for layer in cost.layers),
                "accuracy": None if top1 is None else top1 / 100,
                "accuracy_source": source,
            }
        )
    if json:
        print_json({"networks": lines})
        return
    print_table(
        (
            "network",
            "pixels",
            "params",
            "mult-adds",
            "MB moved",
            "MB held",
            "mult-adds/byte",
            "depth",
            "branches",
            "top-1",
            "source",
        ),
        [
            (
                x["name"],
                x["resolution"],
                f"{x['params']:,}",
                f"{x['macs']:,}",
                f"{x['bytes_moved'] / 1e6:.1f}",
                f"{x['peak_activation_bytes'] / 1e6:.2f}",
                f"{x['arithmetic_intensity']:.1f}",
                x["sequential_depth"],
                x["branches"],
                "" if x["accuracy"] is None else f"{100 * x['accuracy']:.1f} %",
                x["accuracy_source"],
            )
            for x in lines
        ],
        words_last=True,
    )
    print()
    print("MB moved: each layer reads its inputs and weights and writes its output once; MB held: the most activations")
    print(
        "there are at once; float32, one picture. depth: layers with weights on the longest way; branches: most of them"
    )
    print("at one depth.")


def _own_accuracy(word: str) -> tuple[float | None, str]:
    """The validation accuracy of a run or checkpoint, which says so itself."""
    from pathlib import Path

    from leannet.header import read_header

    if Path(word).suffix == ".json":
        return None, ""
    found = read_header(word).metrics.get("validation", {}).get("accuracy")
    return (None, "") if found is None else (100 * found, "its own validation part")
