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
    """The shape of the graph."""
    cost = count(architecture)
    layers = architecture.layers
    depth = {INPUT: 0}
    depths: dict[str, list[int]] = {row.name: [] for row in architecture.rows}  # of the layers with weights
    reached: dict[str, int] = {}
    peaks = dict.fromkeys(depths, 0)
    live = [0] * len(layers)
    sizes = (architecture.input.shape.elements, *(layer.out_shape.elements for layer in layers))
    for size, lifetime in zip(sizes, lifetimes(architecture), strict=True):
        for place in lifetime:
            live[place] += size
    for layer, counted, elements in zip(layers, cost.layers, live, strict=True):
        depth[layer.path] = max(depth[path] for path in layer.inputs) + (counted.macs > 0)
        reached[layer.top] = max(reached.get(layer.top, 0), depth[layer.path])
        if counted.macs:
            depths[layer.top].append(depth[layer.path])
        peaks[layer.top] = max(peaks[layer.top], elements)
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


def lifetimes(architecture: Architecture) -> list[range]:
    """Of the image and of what each layer makes: the layers, by number, while which it is in memory.

    That is from the layer that makes it to the last that reads it; outputs stay to the end.
    """
    layers = architecture.layers
    end = len(layers) - 1
    last = {INPUT: end, **{layer.path: end for layer in layers}}  # where none reads it
    last |= {path: place for place, layer in enumerate(layers) for path in layer.inputs}
    last |= {architecture.made_by[name]: end for name in architecture.output_names}
    return [range(max(place - 1, 0), last[path] + 1) for place, path in enumerate(last)]


def _most_equal(numbers: list[int]) -> int:
    return max((numbers.count(number) for number in set(numbers)), default=0)
