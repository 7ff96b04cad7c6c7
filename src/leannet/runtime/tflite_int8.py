"""A network of 8-bit integers as a LiteRT (.tflite) file, written from its rows.

By the rules of LiteRT's integer kernels (ai.google.dev/edge/litert/models/quantization_spec): activations are signed,
with a scale and a zero point for each value; weights are symmetric, with a scale for each output channel; biases have
32 bits; what an operation copies keeps its range, and sigmoid and tanh have ranges of their own. Input and outputs are
float32, so that the file is used as the one of floats is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from leannet import rows
from leannet.rows import Activation, Architecture, Node
from leannet.runtime.folding import Array, Weights
from leannet.runtime.int8_graph import Range, least_scales, quantize_filters, tied_ranges
from leannet.runtime.tflite_graph import TfliteWriter, nhwc, pixels_in_windows

COPYING = {
    "RESHAPE", "TRANSPOSE", "SLICE", "PAD", "PADV2", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_NEAREST_NEIGHBOR",
    "CONCATENATION",
}  # fmt: skip
FIXED_RANGES = {"LOGISTIC": Range(1 / 256, 0), "TANH": Range(1 / 128, 128)}
# The factor f of filters before h-swish and h-sigmoid. A gate is then one sum, clipped where integers end, on the scale
# that needs no product of its own: f z + 3 f, between 0 and 6 f. h-swish is f z times that, and f f is 1 / 6.
GATE_FACTORS = {"h_swish": 6**-0.5, "h_sigmoid": 1 / 6}
LAYERS_WITH_FILTERS = (rows.Conv, rows.Depthwise, rows.Linear)
# The first version of each operation that knows integers; of the others the first one does.
VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "MUL": 2, "AVERAGE_POOL_2D": 2,
    "MAX_POOL_2D": 2, "CONCATENATION": 2, "LOGISTIC": 2, "TANH": 2, "MEAN": 2, "PAD": 2, "PADV2": 2,
    "SLICE": 2, "TRANSPOSE": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "DEQUANTIZE": 2,
}  # fmt: skip


def float_only(node: Node) -> bool:
    """Whether LiteRT has no integer form of a layer, or none that serves: the range of the first two of a sum of three
    is not known, and depthwise filters of more than 25 weights have no fast integers."""
    match node.row:
        case rows.LocalResponse() | rows.Normalize():
            return True
        case rows.Depthwise():
            return node.row.kernel > 5
        case rows.Add():
            return len(node.inputs) > 2
    return False


class Int8TfliteWriter(TfliteWriter):
    """Writes operations on integers; layers in `float_layers` are written as `TfliteWriter` does."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Weights,
        ranges: Mapping[str, tuple[float, float]],
        float_layers: frozenset[str] = frozenset(),
        bits: int = 8,
        bias_corrections: Mapping[str, Array] | None = None,
    ):
        """The parameters are those of `Int8Writer`."""
        super().__init__(architecture, weights)
        self.float_layers, self.bits, self.bias_corrections = float_layers, bits, bias_corrections or {}
        self.ranges = {path: Range.of(*pair) for path, pair in tied_ranges(architecture, ranges).items()}
        self.before = {key.removesuffix(":before"): Range.of(*pair) for key, pair in ranges.items()
                       if key.endswith(":before")}  # fmt: skip
        self.range_of: dict[int, Range] = {}  # of the values that are integers
        self._ranges_within: dict[str, Range] = {}  # of values within a layer, by name
        self._current: Node | None = None
        self._converted: dict[tuple[int, Range | None], int] = {}  # None: to floats

    def output(self, value: int, name: str, shape: Sequence[int]) -> int:
        return super().output(self._dequantize(value), name, shape)

    # Values

    def _quantize(self, value: int, range_: Range) -> int:
        """A value as integers of a range; as it is where it is that already."""
        if self.range_of.get(value) == range_:
            return value
        key = value, range_
        if key not in self._converted:
            name = f"{self.tensors[value].name}:bytes_{len(self._converted)}"
            version = 2 if value in self.range_of else 1
            integers = super().op("QUANTIZE", [value], name, self._shape(value), "QuantizeOptions", version)
            self._converted[key] = self._set_range(integers, range_)
        return self._converted[key]

    def _dequantize(self, value: int) -> int:
        if value not in self.range_of:
            return value
        if (value, None) not in self._converted:
            name = f"{self.tensors[value].name}:floats"
            options, version = "DequantizeOptions", VERSIONS["DEQUANTIZE"]
            self._converted[value, None] = super().op("DEQUANTIZE", [value], name, self._shape(value), options, version)
        return self._converted[value, None]

    def _set_range(self, value: int, range_: Range) -> int:
        """Makes a value integers of a range."""
        tensor = self.tensors[value]
        tensor.dtype = "int8"
        tensor.scales, tensor.zero_points = np.array([range_.scale]), np.array([range_.zero_point - 128])
        self.range_of[value] = range_
        return value

    # Layers

    def _layer(self, node: Node) -> int:
        layer, path = node.row, node.path
        values = [self.values[name] for name in node.inputs]
        if path in self.float_layers or float_only(node):
            inputs = [self._dequantize(value) for value in values]
        elif isinstance(layer, rows.Concat):
            inputs = [self._quantize(value, self.ranges[path]) for value in values]
        else:
            inputs = [
                value if value in self.range_of else self._quantize(value, self.ranges[name])
                for value, name in zip(values, node.inputs, strict=True)
            ]
        before = {name: self.values[name] for name in node.inputs}
        self.values.update(zip(node.inputs, inputs, strict=True))
        self._current = node
        output = super()._layer(node)
        self.values.update(before)
        return output

    def op(
        self, kind: str, inputs: Sequence[int], name: str, shape: Sequence[int], options: str = "", version: int = 1,
        **fields: Any,
    ) -> int:  # fmt: skip
        if inputs[0] not in self.range_of:
            return super().op(kind, inputs, name, shape, options, version, **fields)
        inputs = list(self._quantized_constants(kind, inputs))
        output_range = self._output_range(kind, inputs[0], name)
        version = max(version, VERSIONS.get(kind, 1))
        if kind == "TRANSPOSE" and len(shape) > 4:
            version = 4
        if kind == "MUL" and self.range_of[inputs[0]].scale * self.range_of[inputs[1]].scale >= output_range.scale:
            version = 3
        return self._set_range(super().op(kind, inputs, name, shape, options, version, **fields), output_range)

    def _output_range(self, kind: str, x: int, name: str) -> Range:
        if name in self._ranges_within:
            return self._ranges_within[name]
        if kind in COPYING:
            return self.range_of[x]
        if kind in FIXED_RANGES:
            return FIXED_RANGES[kind]
        assert self._current is not None
        path, layer = self._current.path, self._current.row
        activation = getattr(layer, "activation", "linear")
        if name == path or activation in ("linear", "relu", "relu6"):
            return self.ranges[path]
        before = self.before[path]
        if not isinstance(layer, LAYERS_WITH_FILTERS):
            return before
        return Range(before.scale * GATE_FACTORS.get(activation, 1.0), before.zero_point)

    def activation(self, kind: Activation, x: int, name: str) -> int:
        """Without LiteRT's own operations for ReLU and h-swish, whose integers are slow on processors of desktops."""
        if x not in self.range_of:
            return super().activation(kind, x, name)
        match kind:
            case "relu" | "relu6":
                output_range = self._output_range(kind, x, name)
                highest = (255 - output_range.zero_point) * output_range.scale
                clipped = Range.of(0, min(highest, 6.0) if kind == "relu6" else highest)
                return self._quantize(self._quantize(x, clipped), output_range)  # a tied range may be larger
            case "h_sigmoid":
                return self._gate(kind, self._times_gate_factor(kind, x, name), name)
            case "h_swish":
                scaled = self._times_gate_factor(kind, x, name)
                gate = self._gate(kind, scaled, f"{name}:gate")
                return self.op("MUL", [scaled, gate], name, self._shape(x), "MulOptions")
        return super().activation(kind, x, name)

    def _times_gate_factor(self, kind: Activation, x: int, name: str) -> int:
        """A value times the factor of its gate, which filters have in them already: the integers are the same."""
        assert self._current is not None
        if isinstance(self._current.row, LAYERS_WITH_FILTERS):
            return x
        range_, product = self.range_of[x], f"{name}:shrunk"
        self._ranges_within[product] = Range(range_.scale * GATE_FACTORS[kind], range_.zero_point)
        factor = self.constant(f"{name}:factor", np.array([GATE_FACTORS[kind]], np.float32))
        return self.op("MUL", [x, factor], product, self._shape(x), "MulOptions")

    def _gate(self, kind: Activation, scaled: int, name: str) -> int:
        """z + 3 between 0 and 6, times the gate's factor; scaled: z times it."""
        self._ranges_within[name] = Range(GATE_FACTORS[kind] * 6 / 255, 0)
        three = self.constant(f"{name}:three", np.array([3 * GATE_FACTORS[kind]], np.float32))
        return self.op("ADD", [scaled, three], name, self._shape(scaled), "AddOptions")

    def _mean(self, node: Node, layer: rows.Pool, padded: int, padding: int, counts_zeros: bool) -> int:
        """As a depthwise convolution, since means of windows have no fast integers; it counts all zeros."""
        if padded not in self.range_of:
            return super()._mean(node, layer, padded, padding, counts_zeros)
        path, channels = node.path, node.out_shape.channels
        scales = np.full(channels, 1 / (127 * layer.kernel**2))
        ones = np.full((1, layer.kernel, layer.kernel, channels), 127, np.int8)
        filters = [
            self._integer_constant(f"{path}:ones", ones, scales, 3),
            self._integer_constant(
                f"{path}:bias", np.zeros(channels, np.int32), scales * self.range_of[padded].scale, 0
            ),
        ]
        counts = pixels_in_windows(node, layer)
        has_zeros = bool((counts < layer.kernel**2).any())
        name = f"{path}:counted" if has_zeros else path
        self._ranges_within[name] = self.ranges[path]
        fields = {"Padding": padding, "StrideW": layer.stride, "StrideH": layer.stride, "DepthMultiplier": 1}
        options = "DepthwiseConv2DOptions"
        mean = self.op("DEPTHWISE_CONV_2D", [padded, *filters], name, nhwc(node.out_shape), options, **fields)
        if not has_zeros:
            return mean
        common = np.lcm.reduce(counts.ravel())
        shares = layer.kernel**2 * (common // counts)  # in parts of `common`: fractions that 8 bits hold exactly
        divisor = np.gcd.reduce(shares.ravel())
        if shares.max() <= 255 * divisor:
            self._ranges_within[f"{path}:share"] = Range(divisor / common, 0)
        return self._without_zeros(node, layer, mean)

    def _quantized_constants(self, kind: str, inputs: Sequence[int]) -> Iterable[int]:
        """The inputs of an operation on integers, with float constants quantized."""
        for value in inputs:
            tensor = self.tensors[value]
            if tensor.data is None or tensor.data.dtype != np.float32:
                yield value
                continue
            if kind == "PADV2":  # it fills with the lowest value there is
                range_ = self.range_of[inputs[0]]
            else:
                fitting = Range.of(float(tensor.data.min()), float(tensor.data.max()))
                range_ = self._ranges_within.get(tensor.name, fitting)
            integers = np.rint(tensor.data.astype(np.float64) / range_.scale) + range_.zero_point
            tensor.data = (np.clip(integers, 0, 255) - 128).astype(np.int8)
            yield self._set_range(value, range_)

    def filters(self, node: Node, x: int, weight: Array, bias: Array, axis: int = 0) -> list[int]:
        if x not in self.range_of:
            return super().filters(node, x, weight, bias, axis)
        bias = bias + self.bias_corrections.get(node.path, 0.0)
        least = least_scales(bias, self.range_of[x])
        integers, scales = quantize_filters(np.moveaxis(weight, axis, 0), self.bits, least)
        bias_scales = scales.astype(np.float64) * self.range_of[x].scale
        bias_integers = np.rint(bias / bias_scales).astype(np.int32)
        # The same integers with other scales: the layer is multiplied by its gate's factor.
        factor = GATE_FACTORS.get(getattr(node.row, "activation", "linear"), 1.0)
        return [
            self._integer_constant(f"{node.path}:weight", np.moveaxis(integers, 0, axis), scales * factor, axis),
            self._integer_constant(f"{node.path}:bias", bias_integers, bias_scales * factor, 0),
        ]

    def _integer_constant(self, name: str, integers: Array, scales: Array, axis: int) -> int:
        constant = self.constant(name, integers)
        tensor = self.tensors[constant]
        tensor.data, tensor.axis = np.ascontiguousarray(integers), axis
        tensor.scales, tensor.zero_points = scales, np.zeros(len(scales), np.int64)
        return constant
