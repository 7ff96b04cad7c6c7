"""Operations as 8-bit integers for LiteRT's kernels, each of which reads and makes integers.

By its rules (ai.google.dev/edge/litert/models/quantization_spec): what an operation copies keeps its range, sigmoid and
tanh have ranges of their own, and all others that of what they make. Input and outputs stay float32, unless integers
are asked for outside too, as on microcontrollers.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from leannet.rows import INPUT, Shape
from leannet.runtime import operations as ops
from leannet.runtime.epilogues import with_epilogues
from leannet.runtime.integers import Ranges, Rewriting, deciding, quantized, tied_ranges
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import BEFORE, Array, Filters, Operation, Range

FIXED = {"sigmoid": Range(1 / 256, 0), "tanh": Range(1 / 128, 128)}
# The factor f of filters before h-swish and h-sigmoid. A gate is then one sum, clipped where integers end, on the scale
# that needs no product of its own: f z + 3 f, between 0 and 6 f. h-swish is f z times that, and f f is 1 / 6.
GATE_FACTORS = {"h_swish": 6**-0.5, "h_sigmoid": 1 / 6}
WITH_FILTERS = (ops.Convolve, ops.ConvolveTransposed, ops.FullyConnect)
LARGEST_DEPTHWISE = 25  # weights of a filter
WIDEST = 1e4  # of what a gate reads: sums of integers whose scales are far apart are not for LiteRT


def float_only(operations: Operations) -> frozenset[str]:
    """The layers that LiteRT has no integer form of, or none that serves: the range of the first two of a sum of three
    is not known, and depthwise filters of more than 25 weights have no fast integers."""
    layers = set()
    for step in operations:
        match step:
            case ops.LocalResponse() | ops.Scale() | ops.Softmax() | ops.Largest() | ops.Decide() | ops.Zeros():
                layers.add(step.layer)
            case ops.Convolve() if step.depthwise and math.prod(step.sides) > LARGEST_DEPTHWISE:
                layers.add(step.layer)
            case ops.Sum() if step.name not in (step.layer, f"{step.layer}{BEFORE}"):
                layers.add(step.layer)
    return frozenset(layers)


def quantize_kernels(
    operations: Operations,
    ranges: Ranges,
    float_layers: Collection[str] = (),
    bits: int = 8,
    bias_corrections: Mapping[str, Array] | None = None,
    outside: bool = False,
) -> Operations:
    """The same with integers. The parameters are those of `quantize_pairs`.

    outside: input and outputs are integers too.
    """
    return _Kernels(operations, ranges, float_layers, bits, bias_corrections or {}, outside).whole()


class _Kernels(Rewriting):
    def __init__(
        self,
        operations: Operations,
        ranges: Ranges,
        float_layers: Collection[str],
        bits: int,
        bias_corrections: Mapping[str, Array],
        outside: bool,
    ):
        super().__init__(with_epilogues(operations, ("relu", "relu6")))
        self.outside = outside
        self.float_layers = {*float_layers, *float_only(operations), *deciding(operations)}
        self.bits, self.bias_corrections = bits, bias_corrections
        self.ranges = tied_ranges(operations, ranges)
        self.before = {name: Range.of(*pair) for name, pair in ranges.items() if name.endswith(BEFORE)}
        self._converted: dict[tuple[str, Range | None], str] = {}

    def whole(self) -> Operations:
        """All of them."""
        if self.outside and INPUT not in self.operations.by_name:
            self.input_range = self.ranges[INPUT]
        for step in self.operations:
            self.values[step.name] = self._rewritten(step)
        return self.done({name: self._output(value) for name, value in self.operations.outputs.items()})

    def _output(self, value: str) -> str:
        made = self.values[value]
        if not self.outside:
            return self._floats(made)
        if self.range(made) is not None or value not in self.ranges:  # boxes leave as floats
            return made
        return self._integers(made, self.ranges[value])

    # Values

    def _integers(self, value: str, range_: Range) -> str:
        """A value as integers of a range; as it is where it is that already."""
        if self.range(value) == range_:
            return value
        key = value, range_
        if key not in self._converted:
            layer = self.by_name[value].layer if value in self.by_name else INPUT
            self._converted[key] = self.quantize(value, range_, f"{value}:bytes_{len(self._converted)}", layer)
        return self._converted[key]

    def _floats(self, value: str) -> str:
        if self.range(value) is None:
            return value
        if (value, None) not in self._converted:
            layer = self.by_name[value].layer if value in self.by_name else INPUT
            shape = self.by_name[value].shape if value in self.by_name else self.operations.input
            step = ops.Dequantize(name=f"{value}:floats", inputs=(value,), layer=layer, shape=shape)
            self._converted[value, None] = self.add(step)
        return self._converted[value, None]

    def _constant(self, name: str, value: Array, layer: str, range_: Range | None = None) -> str:
        """A constant (C, H, W) as integers of a range, or of the one that it fits."""
        range_ = range_ or Range.of(float(value.min()), float(value.max()))
        common: dict[str, Any] = {"layer": layer, "shape": Shape(*value.shape), "range": range_}
        return self.add(ops.Constant(name=name, inputs=(), value=range_.quantize(value.astype(np.float64)), **common))

    # Operations

    def _rewritten(self, step: Operation) -> str:
        inputs = [self.values[name] for name in step.inputs]
        if isinstance(step, ops.Images):
            return self.add(step)
        if step.layer in self.float_layers:
            return self.add(replace(step, inputs=tuple(self._floats(name) for name in inputs)))
        if isinstance(step, ops.Choose):
            first, second = (self._integers(name, self.ranges[step.name]) for name in inputs[:2])
            chosen = replace(step, inputs=(first, second, self._floats(inputs[2])), range=self.ranges[step.name])
            return self.add(chosen)
        if isinstance(step, ops.Concatenate):
            inputs = [self._integers(name, self.ranges[step.name]) for name in inputs]
        else:
            inputs = [
                name if self.range(name) is not None else self._integers(name, self.ranges[source])
                for name, source in zip(inputs, step.inputs, strict=True)
            ]
        step = replace(step, inputs=tuple(inputs))
        match step:
            case ops.Convolve() | ops.ConvolveTransposed() | ops.FullyConnect():
                return self._with_filters(step)
            case ops.Activate():
                return self._activated(step)
            case ops.Pool(op="average"):
                return self._average(step)
        is_mean_of_parts = isinstance(step, ops.MeanOfParts) and step.size > 1  # windows of one size, as pooling
        if step.copies or is_mean_of_parts or isinstance(step, ops.Shift):
            return self.add(replace(step, range=self.range(inputs[0])))
        return self.add(replace(step, range=self._made(step)))

    def _made(self, step: Operation) -> Range:
        """The range of what an operation makes."""
        return self.before[step.name] if step.name.endswith(BEFORE) else self.ranges[step.name]

    def _with_filters(self, step: ops.Convolve | ops.ConvolveTransposed | ops.FullyConnect) -> str:
        x, made, factor = self.range(step.inputs[0]), self._made(step), 1.0
        assert x is not None
        readers = self.operations.readers.get(step.name, ())
        if step.name.endswith(BEFORE) and isinstance(readers[0], ops.Activate):
            factor = GATE_FACTORS.get(readers[0].kind, 1.0)
            if readers[0].kind == "h_sigmoid":  # which is flat beyond 3: more levels for what is not
                made = made.within(-3, 3)
        filters = step.filters
        if filters.bias is None:
            filters = Filters(filters.weight, np.zeros(len(filters.weight), np.float32))
        filters = quantized(filters, x, self.bits, self.bias_corrections.get(step.layer, 0.0), factor)
        if isinstance(step, ops.ConvolveTransposed) and step.activation != "linear":
            # CMSIS-NN's kernel has no activation function at its end: integers end where it clips.
            clipped = self._clipped(step.activation, made)
            saturated = f"{step.name}:clipped" if clipped != made else step.name
            step = replace(step, name=saturated, filters=filters, activation="linear", range=clipped)
            return self._integers(self.add(step), made)
        return self.add(replace(step, filters=filters, range=Range(made.scale * factor, made.zero_point)))

    @staticmethod
    def _clipped(kind: str, made: Range) -> Range:
        """The range that ends where ReLU or ReLU6 clips a value of this one."""
        highest = (255 - made.zero_point) * made.scale
        return Range.of(0, min(highest, 6.0) if kind == "relu6" else highest)

    def _activated(self, step: ops.Activate) -> str:
        """Without LiteRT's own operations for ReLU and h-swish, whose integers are slow on processors of desktops."""
        (x,), name, layer, kind = step.inputs, step.name, step.layer, step.kind
        common: dict[str, Any] = {"layer": layer, "shape": step.shape}
        match kind:
            case "relu" | "relu6":
                made = self.ranges[name]
                return self._integers(self._integers(x, self._clipped(kind, made)), made)  # a tied range may be larger
            case "h_sigmoid":
                return self._gate(kind, self._times_gate_factor(kind, x, step), name, step)
            case "h_swish":
                scaled = self._times_gate_factor(kind, x, step)
                gate = self._gate(kind, scaled, f"{name}:gate", step)
                return self.add(ops.Multiply(name=name, inputs=(scaled, gate), range=self.ranges[name], **common))
            case "swish":
                gate = self.add(
                    ops.Activate(name=f"{name}:gate", inputs=(x,), kind="sigmoid", range=FIXED["sigmoid"], **common)
                )
                return self.add(ops.Multiply(name=name, inputs=(x, gate), range=self.ranges[name], **common))
        return self.add(replace(step, range=FIXED.get(kind, self.ranges[name])))

    def _times_gate_factor(self, kind: str, x: str, step: Operation) -> str:
        """A value times the factor of its gate, which filters have in them already: the integers are the same."""
        made, range_ = self.by_name.get(x), self.range(x)
        assert range_ is not None
        if isinstance(made, WITH_FILTERS) and made.layer == step.layer:
            return x
        factor = self._constant(f"{step.name}:factor", np.full((1, 1, 1), GATE_FACTORS[kind]), step.layer)
        shrunk = Range(range_.scale * GATE_FACTORS[kind], range_.zero_point)
        name = f"{step.name}:shrunk"
        return self.add(ops.Multiply(name=name, inputs=(x, factor), layer=step.layer, shape=step.shape, range=shrunk))

    def _gate(self, kind: str, scaled: str, name: str, step: Operation) -> str:
        """z + 3 between 0 and 6, times the gate's factor; scaled: z times it."""
        factor = GATE_FACTORS[kind]
        made = self.range(scaled)
        assert made is not None
        if made.scale * 255 > WIDEST * factor:
            scaled = self._integers(scaled, made.within(-3 * factor, 3 * factor))
        three = self._constant(f"{name}:three", np.full((1, 1, 1), 3 * factor), step.layer)
        range_ = Range(factor * 6 / 255, 0)
        return self.add(ops.Sum(name=name, inputs=(scaled, three), layer=step.layer, shape=step.shape, range=range_))

    def _average(self, step: ops.Pool) -> str:
        """As a depthwise convolution, since means of windows have no fast integers; it counts zeros around the map."""
        name, channels, window = step.name, step.shape.channels, step.kernel**2
        x, made = self.range(step.inputs[0]), self.ranges[step.name]
        assert x is not None
        scales = np.full(channels, 1 / (127 * window))
        ones = np.full((channels, 1, step.kernel, step.kernel), 127, np.int8)
        filters = Filters(ones, np.zeros(channels, np.int32), scales, scales * x.scale)
        counts = step.pixels_in_windows(self.operations.shape(self._source(step)))
        has_zeros = bool((counts < window).any())
        mean = self.add(
            ops.Convolve(
                name=f"{name}:counted" if has_zeros else name,
                inputs=step.inputs,
                layer=step.layer,
                shape=step.shape,
                range=made,
                filters=filters,
                stride=step.stride,
                pads=step.pads,
                groups=channels,
            )
        )
        if not has_zeros:
            return mean
        common = np.lcm.reduce(counts.ravel())
        shares = window * (common // counts)  # in parts of `common`: fractions that 8 bits hold exactly
        divisor = np.gcd.reduce(shares.ravel())
        exact = Range(divisor / common, 0) if shares.max() <= 255 * divisor else None
        share = self._constant(f"{name}:share", (window / counts)[None], step.layer, exact)
        product = ops.Multiply(name=name, inputs=(mean, share), layer=step.layer, shape=step.shape, range=made)
        return self.add(product)

    def _source(self, step: Operation) -> str:
        """What an operation read before it was written anew."""
        return self.operations.by_name[step.name].inputs[0]
