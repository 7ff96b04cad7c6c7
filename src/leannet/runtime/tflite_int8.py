"""A network of 8-bit integers as a LiteRT (.tflite) file, written from its rows.

By the rules of LiteRT's integer kernels (ai.google.dev/edge/litert/models/quantization_spec): activations are signed,
with a range and a zero point for each value; weights are symmetric, with a step for each output channel; biases have
32 bits; what an operation moves keeps its range, and sigmoid and tanh have ranges of their own. Input and outputs are
float32, so that the file is used as the one of floats is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from leannet import rows
from leannet.rows import Activation, Architecture, Placed
from leannet.runtime.folding import Array, Weights
from leannet.runtime.int8_graph import Range, joined, least_scales, quantize_filters
from leannet.runtime.tflite_graph import TfliteWriter, inside, nhwc

MOVING = {
    "RESHAPE", "TRANSPOSE", "SLICE", "PAD", "PADV2", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_NEAREST_NEIGHBOR",
    "CONCATENATION",
}  # fmt: skip
FIXED = {"LOGISTIC": Range(1 / 256, 0), "TANH": Range(1 / 128, 128)}
# What filters before h-swish and h-sigmoid are multiplied with, f. A gate is then one sum, cut where bytes end, on the
# scale that needs no product of its own: f z + 3 f, between 0 and 6 f. h-swish is f z times that, and f f is 1 / 6.
SHRUNK = {"h_swish": 6**-0.5, "h_sigmoid": 1 / 6}
FILTERS = (rows.Conv, rows.Depthwise, rows.Linear)
# The first version of each operation that knows integers; of the others the first one does.
VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "MUL": 2, "AVERAGE_POOL_2D": 2,
    "MAX_POOL_2D": 2, "CONCATENATION": 2, "LOGISTIC": 2, "TANH": 2, "MEAN": 2, "PAD": 2, "PADV2": 2,
    "SLICE": 2, "TRANSPOSE": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "DEQUANTIZE": 2,
}  # fmt: skip


def float_only(placed: Placed) -> bool:
    """Whether LiteRT has no integer form of a layer, or none that serves: sums of three would be rounded on the way to
    a range that is not known, and depthwise filters of more than 25 weights have no fast integers."""
    match placed.layer:
        case rows.LocalResponse() | rows.Normalize():
            return True
        case rows.Depthwise():
            return placed.layer.kernel > 5
        case rows.Add():
            return len(placed.inputs) > 2
    return False


class Int8TfliteWriter(TfliteWriter):
    """Writes operations on integers; layers in `floats` stay as they are."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Weights,
        ranges: Mapping[str, tuple[float, float]],
        floats: frozenset[str] = frozenset(),
        bits: int = 8,
        corrections: Mapping[str, Array] | None = None,
    ):
        """The words are those of `Int8Writer`."""
        super().__init__(architecture, weights)
        self.floats, self.bits, self.corrections = floats, bits, corrections or {}
        self.ranges = {path: Range.of(*pair) for path, pair in joined(architecture, ranges).items()}
        self.before = {key.removesuffix(":before"): Range.of(*pair) for key, pair in ranges.items()
                       if key.endswith(":before")}  # fmt: skip
        self.range_of: dict[int, Range] = {}  # of the values that are integers
        self._wanted: dict[str, Range] = {}  # of what is made on the way
        self._layer_now: Placed | None = None
        self._other_form: dict[tuple[int, Range | None], int] = {}

    def output(self, value: int, name: str, shape: Sequence[int]) -> int:
        return super().output(self._float(value), name, shape)

    # Values

    def _integers(self, value: int, range_: Range) -> int:
        """A value as integers of a range."""
        if self.range_of.get(value) == range_:
            return value
        key = value, range_
        if key not in self._other_form:
            name = f"{self.tensors[value].name}:bytes_{len(self._other_form)}"
            version = 2 if value in self.range_of else 1
            made = super().op("QUANTIZE", [value], name, self._shape(value), "QuantizeOptions", version)
            self._other_form[key] = self._marked(made, range_)
        return self._other_form[key]

    def _float(self, value: int) -> int:
        if value not in self.range_of:
            return value
        if (value, None) not in self._other_form:
            name = f"{self.tensors[value].name}:floats"
            words = "DequantizeOptions"
            made = super().op("DEQUANTIZE", [value], name, self._shape(value), words, VERSIONS["DEQUANTIZE"])
            self._other_form[value, None] = made
        return self._other_form[value, None]

    def _marked(self, value: int, range_: Range) -> int:
        """Says that a value is integers."""
        tensor = self.tensors[value]
        tensor.kind = "int8"
        tensor.steps, tensor.zeros = np.array([range_.scale]), np.array([range_.zero - 128])
        self.range_of[value] = range_
        return value

    # Layers

    def _layer(self, placed: Placed) -> int:
        layer, path = placed.layer, placed.path
        read = [self.values[name] for name in placed.inputs]
        if path in self.floats or float_only(placed):
            given = [self._float(value) for value in read]
        elif isinstance(layer, rows.Concat):
            given = [self._integers(value, self.ranges[path]) for value in read]
        else:
            given = [
                value if value in self.range_of else self._integers(value, self.ranges[name])
                for value, name in zip(read, placed.inputs, strict=True)
            ]
        kept = {name: self.values[name] for name in placed.inputs}
        self.values.update(zip(placed.inputs, given, strict=True))
        self._layer_now = placed
        made = super()._layer(placed)
        self.values.update(kept)
        return made

    def op(
        self, kind: str, inputs: Sequence[int], name: str, shape: Sequence[int], options: str = "", version: int = 1,
        **fields: Any,
    ) -> int:  # fmt: skip
        if inputs[0] not in self.range_of:
            return super().op(kind, inputs, name, shape, options, version, **fields)
        inputs = list(self._whole_constants(kind, inputs))
        made_range = self._made_range(kind, inputs[0], name)
        version = max(version, VERSIONS.get(kind, 1))
        if kind == "TRANSPOSE" and len(shape) > 4:
            version = 4
        if kind == "MUL" and self.range_of[inputs[0]].scale * self.range_of[inputs[1]].scale >= made_range.scale:
            version = 3
        return self._marked(super().op(kind, inputs, name, shape, options, version, **fields), made_range)

    def _made_range(self, kind: str, given: int, name: str) -> Range:
        if name in self._wanted:
            return self._wanted[name]
        if kind in MOVING:
            return self.range_of[given]
        if kind in FIXED:
            return FIXED[kind]
        assert self._layer_now is not None
        path, layer = self._layer_now.path, self._layer_now.layer
        activation = getattr(layer, "activation", "linear")
        if name == path or activation in ("linear", "relu", "relu6"):
            return self.ranges[path]
        before = self.before[path]
        return Range(before.scale * SHRUNK.get(activation, 1.0), before.zero) if isinstance(layer, FILTERS) else before

    def activation(self, kind: Activation, x: int, name: str) -> int:
        """Without LiteRT's own operations for ReLU and h-swish, whose integers are slow on processors of desktops."""
        if x not in self.range_of:
            return super().activation(kind, x, name)
        match kind:
            case "relu" | "relu6":
                wanted = self._made_range(kind, x, name)
                most = (255 - wanted.zero) * wanted.scale
                cut = Range.of(0, min(most, 6.0) if kind == "relu6" else most)
                return self._integers(self._integers(x, cut), wanted)  # of what is joined the range may be larger
            case "h_sigmoid":
                return self._gate(kind, self._shrunk(kind, x, name), name)
            case "h_swish":
                shrunk = self._shrunk(kind, x, name)
                gate = self._gate(kind, shrunk, f"{name}:gate")
                return self.op("MUL", [shrunk, gate], name, self._shape(x), "MulOptions")
        return super().activation(kind, x, name)

    def _shrunk(self, kind: Activation, x: int, name: str) -> int:
        """A value times what its gate wants, as filters have it in them: the same bytes."""
        assert self._layer_now is not None
        if isinstance(self._layer_now.layer, FILTERS):
            return x
        given, made = self.range_of[x], f"{name}:shrunk"
        self._wanted[made] = Range(given.scale * SHRUNK[kind], given.zero)
        factor = self.constant(f"{name}:factor", np.array([SHRUNK[kind]], np.float32))
        return self.op("MUL", [x, factor], made, self._shape(x), "MulOptions")

    def _gate(self, kind: Activation, shrunk: int, name: str) -> int:
        """What lies between 0 and 6 of z + 3, shrunk."""
        self._wanted[name] = Range(SHRUNK[kind] * 6 / 255, 0)
        three = self.constant(f"{name}:three", np.array([3 * SHRUNK[kind]], np.float32))
        return self.op("ADD", [shrunk, three], name, self._shape(shrunk), "AddOptions")

    def _mean(self, placed: Placed, layer: rows.Pool, given: int, padding: int, apart: bool) -> int:
        """As a depthwise convolution, since means of windows have no fast integers; it counts all zeros."""
        if given not in self.range_of:
            return super()._mean(placed, layer, given, padding, apart)
        path, channels = placed.path, placed.out_shape.channels
        steps = np.full(channels, 1 / (127 * layer.kernel**2))
        filters = [
            self._steps(f"{path}:ones", np.full((1, layer.kernel, layer.kernel, channels), 127, np.int8), steps, 3),
            self._steps(f"{path}:bias", np.zeros(channels, np.int32), steps * self.range_of[given].scale, 0),
        ]
        counts = inside(placed, layer)
        padded = bool((counts < layer.kernel**2).any())
        name = f"{path}:counted" if padded else path
        self._wanted[name] = self.ranges[path]
        fields = {"Padding": padding, "StrideW": layer.stride, "StrideH": layer.stride, "DepthMultiplier": 1}
        words = "DepthwiseConv2DOptions"
        made = self.op("DEPTHWISE_CONV_2D", [given, *filters], name, nhwc(placed.out_shape), words, **fields)
        if not padded:
            return made
        common = np.lcm.reduce(counts.ravel())
        shares = layer.kernel**2 * (common // counts)  # in parts of `common`: fractions that 8 bits hold exactly
        divisor = np.gcd.reduce(shares.ravel())
        if shares.max() <= 255 * divisor:
            self._wanted[f"{path}:share"] = Range(divisor / common, 0)
        return self._stretched(placed, layer, made)

    def _whole_constants(self, kind: str, inputs: Sequence[int]) -> Iterable[int]:
        """The inputs of an operation on integers, with constants that are integers too."""
        for value in inputs:
            tensor = self.tensors[value]
            if tensor.data is None or tensor.data.dtype != np.float32:
                yield value
                continue
            if kind == "PADV2":  # where a window begins is the least there is
                range_ = self.range_of[inputs[0]]
            else:
                fitting = Range.of(float(tensor.data.min()), float(tensor.data.max()))
                range_ = self._wanted.get(tensor.name, fitting)
            whole = np.clip(np.rint(tensor.data.astype(np.float64) / range_.scale) + range_.zero, 0, 255) - 128
            tensor.data = whole.astype(np.int8)
            yield self._marked(value, range_)

    def filters(self, placed: Placed, given: int, weight: Array, bias: Array, axis: int = 0) -> list[int]:
        if given not in self.range_of:
            return super().filters(placed, given, weight, bias, axis)
        bias = bias + self.corrections.get(placed.path, 0.0)
        least = least_scales(bias, self.range_of[given])
        whole, steps = quantize_filters(np.moveaxis(weight, axis, 0), self.bits, least)
        together = steps.astype(np.float64) * self.range_of[given].scale
        rounded = np.rint(bias / together).astype(np.int32)
        shrunk = SHRUNK.get(
            getattr(placed.layer, "activation", "linear"), 1.0
        )  # the same bytes, which are said to be less
        return [
            self._steps(f"{placed.path}:weight", np.moveaxis(whole, 0, axis), steps * shrunk, axis),
            self._steps(f"{placed.path}:bias", rounded, together * shrunk, 0),
        ]

    def _steps(self, name: str, whole: Array, steps: Array, axis: int) -> int:
        made = self.constant(name, whole)
        tensor = self.tensors[made]
        tensor.data, tensor.axis = np.ascontiguousarray(whole), axis
        tensor.steps, tensor.zeros = steps, np.zeros(len(steps), np.int64)
        return made
