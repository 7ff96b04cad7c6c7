"""What boxes say of cost: figures for programs, and the words of a tooltip."""

from collections.abc import Sequence
from typing import Any

from leannet.cost import count
from leannet.rows import Architecture, Shape


class Costs:
    """The count of one architecture, asked by the paths of rows, layers and blocks."""

    def __init__(self, architecture: Architecture):
        self.count = count(architecture)
        self.total = self.count.total

    def figures(self, paths: Sequence[str], reads: Sequence[Shape], out: Shape) -> dict[str, Any]:
        """Shapes, and the sums over all that is inside: parameters, mult-adds, its share of them, receptive field."""
        layers = [
            layer
            for layer in self.count.layers
            if any(layer.path == path or layer.path.startswith(f"{path}.") for path in paths)
        ]
        macs = sum(layer.macs for layer in layers)
        return {
            "in_shapes": [list(shape) for shape in reads],
            "out_shape": list(out),
            "params": sum(layer.params for layer in layers),
            "macs": macs,
            "share_of_macs": macs / max(self.total.macs, 1),
            "receptive_field": max((layer.receptive_field for layer in layers), default=1),
        }


def note(name: str, said: Sequence[str], figures: dict[str, Any]) -> str:
    """The lines of a tooltip."""
    reads = " and ".join(str(Shape(*shape)) for shape in figures["in_shapes"])
    return "\n".join(
        (
            name,
            ", ".join(said),
            f"{reads} to {Shape(*figures['out_shape'])}",
            f"{figures['params']:,} params, {figures['macs']:,} mult-adds ({100 * figures['share_of_macs']:.2f} %)",
            f"sees {figures['receptive_field']} px",
        )
    )


def short(number: int) -> str:
    """Three figures and a unit: 300.8 M."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            value = number / size
            return f"{value:.{2 if value < 10 else 1}f} {unit}"
    return str(number)
