"""What boxes say of cost: numbers for programs, and the words of a tooltip."""

from collections.abc import Sequence
from typing import Any

from leannet.cost import count
from leannet.rows import Architecture, Shape


class Costs:
    """The costs of one architecture by the paths of its rows, layers and blocks."""

    def __init__(self, architecture: Architecture):
        self.count = count(architecture)
        self.total = self.count.total

    def of(self, paths: Sequence[str], reads: Sequence[Shape], out: Shape) -> dict[str, Any]:
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


def note(name: str, descriptions: Sequence[str], cost: dict[str, Any]) -> str:
    """The lines of a tooltip."""
    reads = " and ".join(str(Shape(*shape)) for shape in cost["in_shapes"])
    return "\n".join(
        (
            name,
            ", ".join(descriptions),
            f"{reads} to {Shape(*cost['out_shape'])}",
            f"{cost['params']:,} params, {cost['macs']:,} mult-adds ({100 * cost['share_of_macs']:.2f} %)",
            f"receptive field {cost['receptive_field']} px",
        )
    )


def short(number: int) -> str:
    """A number with a unit, rounded: 300.8 M."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            value = number / size
            return f"{value:.{2 if value < 10 else 1}f} {unit}"
    return str(number)
