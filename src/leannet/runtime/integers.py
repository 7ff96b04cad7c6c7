"""8-bit integers, whatever the format: ranges, filters, and which values have one range.

Activations have 256 levels, with a scale and a zero point for each value; weights are symmetric, with a scale for each
output channel (Jacob et al., arXiv 1712.05877; Krishnamoorthi, arXiv 1806.08342).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from leannet.rows import INPUT
from leannet.runtime import operations as ops
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Array, Filters, Operation, Range, activation_of

CLIPPING = ("relu", "relu6")
GATE = Range(1 / 255, 0)  # of what lies between 0 and 1
Ranges = Mapping[str, tuple[float, float]]


def quantize_filters(weight: Array, bits: int = 8, least: Array | float = 0.0) -> tuple[Array, Array]:
    """Filters (C', ...) as int8 and the scale of each output channel (C',), symmetric around 0.

    least: the smallest scale that a channel may have.
    """
    most = 2 ** (bits - 1) - 1
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    scale = np.maximum(largest / most, np.maximum(least, 1e-8))
    integers = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
    return np.clip(integers, -most, most).astype(np.int8), scale.astype(np.float32)


def least_scales(bias: Array, input_range: Range) -> Array:
    """The smallest scales of filters with which a layer's bias fits into 32 bits: those of dead filters may be tiny."""
    return np.asarray(np.abs(bias) / (2**30 * input_range.scale))


def quantized(filters: Filters, x: Range, bits: int, correction: Array | float = 0.0, factor: float = 1.0) -> Filters:
    """A layer's filters as integers. x: the range of what they read. correction: what is added to the biases.

    factor: what the layer's output is multiplied with: the same integers, of other scales.
    """
    if filters.bias is None:
        integers, scales = quantize_filters(filters.weight, bits)
        return Filters(integers, None, scales * np.float32(factor))
    bias = filters.bias + correction
    integers, scales = quantize_filters(filters.weight, bits, least_scales(bias, x))
    bias_scales = scales.astype(np.float64) * x.scale
    biases = np.rint(bias / bias_scales).astype(np.int32)
    return Filters(integers, biases, scales * factor, bias_scales * factor)


def tied_ranges(operations: Operations, ranges: Ranges) -> dict[str, Range]:
    """The range of each layer's output and of the input; those of all that a layer copies together are one.

    ranges: least and largest value of each. Those of ReLU and ReLU6 end where they clip.
    """
    tied: dict[str, tuple[float, float]] = {INPUT: ranges[INPUT]}
    parents: dict[str, str] = {}  # of groups of values with one range

    def root(name: str) -> str:
        while parents.get(name, name) != name:
            name = parents[name]
        return name

    for step in operations:
        if step.name != step.layer:
            continue
        if step.copies:
            tied[step.name] = tied[step.copied[0]]
            for source in step.copied:
                parents[root(source)] = root(step.name)
            continue
        if isinstance(step, ops.TopBoxes) and step.name not in ranges:
            continue  # it stays in float, and nothing was measured of what leaves the network in parts
        low, high = ranges[step.name]
        kind = activation_of(step)
        if kind in CLIPPING:
            low, high = 0.0, min(high, 6.0) if kind == "relu6" else high
        tied[step.name] = low, high
    groups: dict[str, list[str]] = {}
    for name in tied:
        groups.setdefault(root(name), []).append(name)
    for names in groups.values():
        low, high = min(tied[name][0] for name in names), max(tied[name][1] for name in names)
        tied.update((name, (low, high)) for name in names)
    return {name: Range.of(*pair) for name, pair in tied.items()}


def deciding(operations: Operations) -> frozenset[str]:
    """The layers that make a decision of numbers, as a gate's behind the mean of each channel.

    They are few numbers, and rounding turns decisions: they stay in float.
    """
    found: set[str] = set()
    for step in reversed(operations.steps):
        readers = operations.readers.get(step.name, ())
        small = all(operations.shape(name)[1:] == (1, 1) for name in step.inputs)
        leads = bool(readers) and all(_decides(step, reader, found) for reader in readers)
        if isinstance(step, ops.Decide | ops.TopBoxes) or (
            small and leads and step.name not in operations.outputs.values()
        ):
            found.add(step.name)
    return frozenset(step.layer for step in operations if step.name in found)


def _decides(step: Operation, reader: Operation, found: set[str]) -> bool:
    """Whether an operation reads another for a decision alone."""
    return reader.name in found or (isinstance(reader, ops.Choose) and step.name not in reader.copied)


class Rewriting:
    """Operations that are written anew, one after another, some of them as integers."""

    def __init__(self, operations: Operations):
        self.operations = operations
        self.steps: list[Operation] = []
        self.values = {INPUT: INPUT}  # value -> what it is now
        self.by_name: dict[str, Operation] = {}
        self.input_range: Range | None = None  # where what comes in is integers already

    def add(self, step: Operation) -> str:
        """Adds an operation, unless it is there."""
        if step.name not in self.by_name:
            self.by_name[step.name] = step
            self.steps.append(step)
        return step.name

    def range(self, value: str) -> Range | None:
        """Of a value of integers."""
        return self.by_name[value].range if value in self.by_name else self.input_range

    def quantize(self, value: str, range_: Range, name: str, layer: str) -> str:
        """A value as integers of a range."""
        shape = self.by_name[value].shape if value in self.by_name else self.operations.input
        return self.add(ops.Quantize(name=name, inputs=(value,), layer=layer, shape=shape, range=range_))

    def done(self, outputs: dict[str, str]) -> Operations:
        """The whole."""
        return replace(self.operations, steps=tuple(self.steps), outputs=outputs, input_range=self.input_range)
