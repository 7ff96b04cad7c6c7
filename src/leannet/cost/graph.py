"""What a network costs besides mult-adds: depth and width of its graph, and the memory of its activations. No torch.

Ma et al., "ShuffleNet V2", arXiv 1807.11164, section 2: two networks of equal mult-adds differ in time by memory access
and by how much can run side by side.
"""

from dataclasses import asdict, dataclass
from typing import Any

from leannet.cost.counting import BYTES, count
from leannet.rows import INPUT, Architecture


@dataclass(frozen=True)
class RowGraph:
    """One row in the graph. For a block, of all the layers inside it."""

    name: str
    sequential_depth: int  # layers with weights on the longest path from the image to here, this row's included
    branches: int  # this row's layers with weights at the same depth, at most: what could run side by side
    peak_activation_bytes: int  # float32, batch 1: the most activations in memory while this row runs
    arithmetic_intensity: float  # mult-adds a byte moved
    receptive_field: int  # pixels of the image


@dataclass(frozen=True)
class Graph:
    """The graph of a network, counted in layers with weights; of all of it what RowGraph has of a row."""

    sequential_depth: int
    branches: int
    peak_activation_bytes: int
    arithmetic_intensity: float
    rows: tuple[RowGraph, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON, without the rows."""
        return {key: value for key, value in asdict(self).items() if key != "rows"}


def graph(architecture: Architecture) -> Graph:
    """The shape of the graph. A value is in memory from the layer that makes it to the last that reads it."""
    cost = count(architecture)
    layers = architecture.layers
    last_read = {path: number for number, layer in enumerate(layers) for path in layer.inputs}
    end = len(layers)
    last_read |= {architecture.made_by[name]: end for name in architecture.output_names}  # outputs stay
    depth = {INPUT: 0}
    depths: dict[str, list[int]] = {row.name: [] for row in architecture.rows}  # of the layers with weights
    reached: dict[str, int] = {}
    peaks = dict.fromkeys(depths, 0)
    sizes = {INPUT: architecture.input.shape.elements}
    live = sizes[INPUT]
    for number, (layer, counted) in enumerate(zip(layers, cost.layers, strict=True)):
        depth[layer.path] = max(depth[path] for path in layer.inputs) + (counted.macs > 0)
        reached[layer.top] = max(reached.get(layer.top, 0), depth[layer.path])
        if counted.macs:
            depths[layer.top].append(depth[layer.path])
        sizes[layer.path] = layer.out_shape.elements
        live += sizes[layer.path]
        peaks[layer.top] = max(peaks[layer.top], live)
        live -= sum(sizes[path] for path in set(layer.inputs) if last_read[path] == number)
    costs = {group.name: group for group in cost.by_row()}
    receptive_fields = {layer.row: layer.receptive_field for layer in cost.layers}  # of the last, behind any gate
    rows = tuple(
        RowGraph(
            name=name,
            sequential_depth=reached[name],
            branches=_most_equal(at),
            peak_activation_bytes=BYTES * peaks[name],
            arithmetic_intensity=costs[name].macs / costs[name].bytes_moved,
            receptive_field=receptive_fields[name],
        )
        for name, at in depths.items()
    )
    return Graph(
        sequential_depth=max(depth.values()),
        branches=_most_equal([number for at in depths.values() for number in at]),
        peak_activation_bytes=max(row.peak_activation_bytes for row in rows),
        arithmetic_intensity=cost.macs / cost.total.bytes_moved,
        rows=rows,
    )


def _most_equal(numbers: list[int]) -> int:
    return max((numbers.count(number) for number in set(numbers)), default=0)
