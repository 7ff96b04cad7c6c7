"""A network of 8-bit integers as ONNX, written from its rows, for runtimes that fuse quantize-dequantize pairs.

Activations are unsigned, with a scale and a zero point for each layer; weights are signed, with a scale for each output
channel (Jacob et al., arXiv 1712.05877; Krishnamoorthi, arXiv 1806.08342). What runtimes' own quantizers leave in float
is integers here too:

- ReLU and ReLU6 cost nothing: an output's range ends where they clip, and quantizing saturates there. Only where an
  output is concatenated with one that they do not clip is there an operation for it.
- h-swish(z) is z times a gate, which is z again on the scale whose range is [-3, 3]: it saturates where ReLU6(z + 3)
  does. So the gate is a look-up table (LUT) of 256 entries, and the product one integer multiplication.
- Channel shuffles, slices and concatenations copy integers: the ranges of all that they copy are tied, that is, one.

Names in the graph, as `:bytes` and `:floats`, are those of earlier versions, so that the files stay the same.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from leannet import rows
from leannet.preprocessing import Preprocessing
from leannet.rows import INPUT, Activation, Architecture, Node
from leannet.runtime.folding import Array, Weights
from leannet.runtime.onnx_graph import GraphWriter

Style = Literal["lut", "fused"]  # how h-swish and its kin are written: for ONNX Runtime, for OpenVINO
MICROSOFT = "com.microsoft"
LUT_ACTIVATIONS = ("h_swish", "swish", "sigmoid", "h_sigmoid")
CLIPPING = ("relu", "relu6")
COPYING = (rows.Slice, rows.Shuffle, rows.Concat, rows.Flatten, rows.Upsample)


@dataclass(frozen=True)
class Range:
    """The values that 8-bit integers stand for: scale * (integer - zero_point), for integers of 0 to 255."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, low: float, high: float) -> "Range":
        """The range from low to high, extended so that it holds 0, which is exactly one of its values."""
        low, high = min(low, 0.0), max(high, 0.0)
        # Where all is 0, as behind filters that never fire, any scale is right, and a tiny one overflows in runtimes.
        scale = (high - low) / 255 if high - low > 1e-6 else 1.0
        return cls(scale, int(np.clip(round(-low / scale), 0, 255)))

    def fake_quantize(self, x: Array) -> Array:
        """Values quantized and dequantized."""
        return (np.clip(np.rint(x / self.scale) + self.zero_point, 0, 255) - self.zero_point) * self.scale


GATE = Range(1 / 255, 0)


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


class Int8Writer(GraphWriter):
    """Writes a graph of integers; layers in `float_layers` are written as `GraphWriter` does."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Weights,
        ranges: Mapping[str, tuple[float, float]],
        style: Style = "lut",
        float_layers: frozenset[str] = frozenset(),
        bits: int = 8,
        bias_corrections: Mapping[str, Array] | None = None,
        images: Preprocessing | None = None,
        sized: bool = False,
    ):
        """ranges: least and largest value of the input and of each layer's output, and before its activation
        (`PATH:before`), as `Calibration` finds them. bias_corrections: what to add to the bias of each layer."""
        super().__init__(architecture, weights, images, sized=sized)
        self.style, self.float_layers, self.bits = style, float_layers, bits
        self.bias_corrections = bias_corrections or {}
        self.ranges = tied_ranges(architecture, ranges)
        self.before = {key.removesuffix(":before"): pair for key, pair in ranges.items() if key.endswith(":before")}
        self.quantized: dict[str, tuple[str, Range]] = {}  # a dequantized value -> its integers
        self.dequantized_by_channel: set[str] = set()  # values with a scale for each channel

    def model(self) -> Any:
        """The whole graph."""
        model = super().model()
        if any(node.domain == MICROSOFT for node in model.graph.node):
            model.opset_import.append(self.onnx.helper.make_opsetid(MICROSOFT, 1))
        return model

    def _network_input(self) -> str:
        readers = [node.path for node in self.architecture.layers if INPUT in node.inputs]
        if not any(self._is_quantized(path) for path in readers):
            return super()._network_input()
        return self._quantize_dequantize(super()._network_input(), Range.of(*self.ranges[INPUT]), INPUT)

    # Values between layers

    def _quantize_dequantize(self, value: str, range_: Range, name: str) -> str:
        """A value as 8-bit integers, and as floats again: the pair that runtimes fuse."""
        return self._dequantize(self._quantize(value, range_, f"{name}:bytes"), range_, name, value in self.flat)

    def _quantize(self, value: str, range_: Range, name: str) -> str:
        return self.node("QuantizeLinear", [value, *self._scale_and_zero_point(range_, name)], name)

    def _dequantize(self, value: str, range_: Range, name: str, flat: bool) -> str:
        floats = self.node("DequantizeLinear", [value, *self._scale_and_zero_point(range_, name)], f"{name}:floats")
        self.quantized[floats] = value, range_
        if flat:
            self.flat |= {floats, value}
        return floats

    def _dequantize_by_channel(self, value: str, node: Node) -> str:
        """Integers as floats for a layer that stays in float.

        ONNX Runtime quantizes filters, all with one scale, where their input is dequantized with one scale; so each
        channel has its own here, though all are the same.
        """
        if self.style != "lut":
            return value
        value = self.vector(value) if isinstance(node.row, rows.Linear) else self.image(value)
        source, range_ = self.quantized[value]
        floats = f"{value}:opened"
        if floats not in self.dequantized_by_channel:
            self.dequantized_by_channel.add(floats)
            (shape,) = node.in_shapes
            number = int(np.prod(shape)) if value in self.flat else shape.channels
            scales = self.constant(f"{floats}:step", np.full(number, range_.scale, np.float32))
            zero_points = self.constant(f"{floats}:zero", np.full(number, range_.zero_point, np.uint8))
            self.node("DequantizeLinear", [source, scales, zero_points], floats, axis=1)
            if value in self.flat:
                self.flat.add(floats)
        return floats

    def _scale_and_zero_point(self, range_: Range, name: str) -> list[str]:
        return [
            self.constant(f"{name}:step", np.array(range_.scale, np.float32)),
            self.constant(f"{name}:zero", np.array(range_.zero_point, np.uint8)),
        ]

    def vector(self, value: str) -> str:
        return self._reshape_quantized(value, super().vector)

    def image(self, value: str) -> str:
        return self._reshape_quantized(value, super().image)

    def _reshape_quantized(self, value: str, reshape: Callable[[str], str]) -> str:
        """A value in another shape: its integers are reshaped, not its floats."""
        if value not in self.quantized:
            return reshape(value)
        source, range_ = self.quantized[value]
        reshaped = reshape(source)
        name = f"{reshaped}:floats"
        if reshaped == source or name in self.quantized:
            return value if reshaped == source else name
        return self._dequantize(reshaped, range_, reshaped, reshaped in self.flat)

    # Layers

    def _layer(self, node: Node) -> str:
        path, layer = node.path, node.row
        inputs = [self.values[name] for name in node.inputs]
        if isinstance(layer, rows.Dropout):
            return inputs[0]
        input_ranges = {self.quantized[value][1] for value in inputs if value in self.quantized}
        range_ = Range.of(*self.ranges[path])  # of a layer that copies: that of all its inputs, see `tied_ranges`
        if copies(layer) and input_ranges == {range_} and self._is_quantized(path):
            inputs = [
                value if value in self.quantized else self._quantize_dequantize(value, range_, f"{path}:{number}")
                for number, value in enumerate(inputs)
            ]
        if copies(layer) and len(input_ranges) == 1 and all(value in self.quantized for value in inputs):
            with self._inputs_replaced(node, [self.quantized[value][0] for value in inputs]):
                output = super()._layer(node)
            return self._dequantize(output, input_ranges.pop(), path, output in self.flat)
        has_filters = isinstance(layer, rows.Conv | rows.Depthwise | rows.Linear)
        if has_filters and self._is_quantized(path):
            x = inputs[0]
            if x not in self.quantized:
                x = self._quantize_dequantize(x, Range.of(*self.ranges[node.inputs[0]]), f"{path}:input")
            with self._inputs_replaced(node, [x]):
                output = super()._layer(node)
        elif has_filters and inputs[0] in self.quantized:
            with self._inputs_replaced(node, [self._dequantize_by_channel(inputs[0], node)]):
                output = super()._layer(node)
        else:
            output = super()._layer(node)
        if self._is_quantized(path) and output not in self.quantized and not self._is_output(path):
            return self._quantize_dequantize(output, range_, path)
        return output

    @contextmanager
    def _inputs_replaced(self, node: Node, values: list[str]) -> Iterator[None]:
        """Inside, a layer's inputs are these values."""
        before = {name: self.values[name] for name in node.inputs}
        self.values.update(zip(node.inputs, values, strict=True))
        try:
            yield
        finally:
            self.values.update(before)

    def _is_quantized(self, path: str) -> bool:
        return path not in self.float_layers

    def _is_output(self, path: str) -> bool:
        return path in {self.architecture.made_by[name] for name in self.architecture.output_names}

    def filters(self, node: Node, weight: Array, bias: Array | None) -> list[str]:
        path = node.path
        if not self._is_quantized(path):
            return super().filters(node, weight, bias)
        _, range_ = self.quantized[self.values[node.inputs[0]]]
        if bias is None:
            return [self._quantized_constant(f"{path}:weight", *quantize_filters(weight, self.bits))]
        bias = bias + self.bias_corrections.get(path, 0.0)
        integers, scales = quantize_filters(weight, self.bits, least_scales(bias, range_))
        bias_scales = scales.astype(np.float64) * range_.scale
        return [
            self._quantized_constant(f"{path}:weight", integers, scales),
            self._quantized_constant(f"{path}:bias", np.rint(bias / bias_scales).astype(np.int32), bias_scales),
        ]

    def _quantized_constant(self, name: str, integers: Array, scales: Array) -> str:
        inputs = [
            self.constant(f"{name}:whole", integers),
            self.constant(f"{name}:scale", scales.astype(np.float32)),
            self.constant(f"{name}:zero", np.zeros(len(scales), integers.dtype)),
        ]
        return self.node("DequantizeLinear", inputs, name, axis=0)

    def activation(self, kind: Activation, x: str, name: str) -> str:
        """An activation; nothing where quantizing does the same."""
        if kind == "linear" or not self._is_quantized(name) or self._is_output(name) or x in self.quantized:
            return super().activation(kind, x, name)
        if kind in CLIPPING and self._range_clips(kind, name):
            return x
        if self.style == "fused" or kind not in LUT_ACTIVATIONS or (kind != "h_sigmoid" and name not in self.before):
            return super().activation(kind, x, name)
        flat = x in self.flat
        if kind == "h_sigmoid":
            # Integers of the range [-3, 3], read as those of [0, 1], are h-sigmoid. Half of 255 is no integer: the gate
            # is 0.002 too large.
            return self._dequantize(self._quantize(x, Range(6 / 255, 128), f"{name}:before"), GATE, name, flat)
        before = Range.of(*self.before[name])
        integers = self._quantize(x, before, f"{name}:before")
        if flat:
            self.flat.add(integers)
        if kind == "h_swish":
            sixth = Range(before.scale / 6, before.zero_point)
            gate = self._lut("QLinearLeakyRelu", integers, sixth, Range(1 / 255, 128), name, alpha=1.0)
        else:
            gate = self._lut("QLinearSigmoid", integers, before, GATE, name)
        if kind == "sigmoid":
            return self._dequantize(gate, GATE, name, flat)
        gate_floats = self._dequantize(gate, GATE, f"{name}:gate", flat)
        product = self.node("Mul", [self._dequantize(integers, before, f"{name}:before", flat), gate_floats], name)
        if flat:
            self.flat.add(product)
        return product

    def _range_clips(self, kind: Activation, name: str) -> bool:
        """Whether quantizing does what ReLU or ReLU6 does: the range ends where they clip, see `tied_ranges`.

        It does not where the range is tied to that of a value which they do not clip.
        """
        low, high = self.ranges[name]
        return low >= 0 and (kind == "relu" or high <= 6)

    def _lut(self, kind: str, x: str, input_range: Range, output_range: Range, name: str, **attributes: float) -> str:
        """An operation that the runtime computes by a look-up table of 256 values."""
        ranges = {f"{name}:given": input_range, f"{name}:made": output_range}
        inputs = [constant for key, range_ in ranges.items() for constant in self._scale_and_zero_point(range_, key)]
        return self.node(kind, [x, *inputs], f"{name}:table", domain=MICROSOFT, **attributes)


def copies(layer: rows.RowBase) -> bool:
    """Whether a layer only copies or chooses values, so that integers stay what they are."""
    return isinstance(layer, COPYING) or (isinstance(layer, rows.Pool) and layer.op == "max")


def tied_ranges(
    architecture: Architecture, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """The ranges of values, clipped where ReLU and ReLU6 clip; those of all that a layer copies together are one."""
    tied: dict[str, tuple[float, float]] = {INPUT: ranges[INPUT]}
    parents: dict[str, str] = {}  # of groups of values with one range

    def root(name: str) -> str:
        while parents.get(name, name) != name:
            name = parents[name]
        return name

    for node in architecture.layers:
        layer, path = node.row, node.path
        if copies(layer) or isinstance(layer, rows.Dropout):
            tied[path] = tied[node.inputs[0]]
            for source in node.inputs:
                parents[root(source)] = root(path)
            continue
        low, high = ranges[path]
        kind = getattr(layer, "activation", "linear")
        if kind in CLIPPING:
            low, high = 0.0, min(high, 6.0) if kind == "relu6" else high
        tied[path] = low, high
    groups: dict[str, list[str]] = {}
    for name in tied:
        groups.setdefault(root(name), []).append(name)
    for names in groups.values():
        low, high = min(tied[name][0] for name in names), max(tied[name][1] for name in names)
        tied.update((name, (low, high)) for name in names)
    return tied
