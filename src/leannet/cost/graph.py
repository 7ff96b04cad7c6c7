"""What a network costs beside mult-adds: how deep and wide its graph is, and how much it must hold at once. No torch.

Ma et al., "ShuffleNet V2", arXiv 1807.11164, section 2: two networks of equal mult-adds differ in time by memory access
and by how much can run side by side.
"""

from dataclasses import asdict, dataclass
from typing import Any

from leannet.cost.counting import BYTES, count
from leannet.rows import INPUT, Architecture


@dataclass(frozen=True)
class Graph:
    """The graph of a network, its layers with weights being the steps."""

    sequential_depth: int  # layers with weights on the longest way from picture to output
    branches: int  # layers with weights that are at most at one depth: what could run side by side
    peak_activation_bytes: int  # float32, batch 1: the most that must be held between two layers
    arithmetic_intensity: float  # mult-adds a byte moved

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def graph(architecture: Architecture) -> Graph:
    """The shape of the graph. Values are held from the layer that makes them to the last that reads them."""
    cost = count(architecture)
    weighted = {layer.path for layer in cost.layers if layer.macs}
    depth = {INPUT: 0}
    at_depth: dict[int, int] = {}
    last_read: dict[str, int] = {}
    for number, placed in enumerate(architecture.layers):
        depth[placed.path] = max(depth[path] for path in placed.inputs) + (placed.path in weighted)
        if placed.path in weighted:
            at_depth[depth[placed.path]] = at_depth.get(depth[placed.path], 0) + 1
        for path in placed.inputs:
            last_read[path] = number
    sizes = {INPUT: architecture.input.shape.elements}
    held, peak = sizes[INPUT], sizes[INPUT]
    for number, placed in enumerate(architecture.layers):
        sizes[placed.path] = placed.out_shape.elements
        held += sizes[placed.path]
        peak = max(peak, held)
        for path in set(placed.inputs):
            if last_read[path] == number:
                held -= sizes[path]
    return Graph(
        sequential_depth=max(depth.values()),
        branches=max(at_depth.values(), default=0),
        peak_activation_bytes=BYTES * peak,
        arithmetic_intensity=cost.macs / cost.total.bytes_moved,
    )
