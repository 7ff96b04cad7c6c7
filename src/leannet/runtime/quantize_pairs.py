"""Operations as 8-bit integers for runtimes that fuse pairs which quantize and dequantize: ONNX Runtime and OpenVINO.

Operations read what integers stand for, and what they make is quantized. What runtimes' own quantizers leave in float
is integers here too:

- ReLU and ReLU6 cost nothing: an output's range ends where they clip, and quantizing saturates there. Only where an
  output is concatenated with one that they do not clip is there an operation for it.
- h-swish(z) is z times a gate, which is z again on the scale whose range is [-3, 3]: it saturates where ReLU6(z + 3)
  does. So the gate is a look-up table (LUT) of 256 entries, and the product one integer multiplication.
- Channel shuffles, slices and concatenations copy integers: the ranges of all that they copy are tied, that is, one.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Literal

from leannet.rows import INPUT, Activation
from leannet.runtime import operations as ops
from leannet.runtime.integers import CLIPPING, GATE, Ranges, Rewriting, deciding, quantized, tied_ranges
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import BEFORE, Array, Operation, Range

Style = Literal["lut", "fused"]  # how h-swish and its kin are written: for ONNX Runtime, for OpenVINO
LUT_ACTIVATIONS = ("h_swish", "swish", "sigmoid", "h_sigmoid")
THREE = Range(6 / 255, 128)  # from -3 to 3: integers of it, read as those of [0, 1], are h-sigmoid


def quantize_pairs(
    operations: Operations,
    ranges: Ranges,
    style: Style = "lut",
    float_layers: Collection[str] = (),
    bits: int = 8,
    bias_corrections: Mapping[str, Array] | None = None,
) -> Operations:
    """The same with integers; layers in `float_layers` stay as they are.

    ranges: least and largest value of the input and of each layer's output, and before its activation (`PATH:before`),
    as `Calibration` finds them. bias_corrections: what to add to the bias of each layer.
    """
    return _Pairs(operations, ranges, style, float_layers, bits, bias_corrections or {}).whole()


class _Pairs(Rewriting):
    def __init__(
        self,
        operations: Operations,
        ranges: Ranges,
        style: Style,
        float_layers: Collection[str],
        bits: int,
        bias_corrections: Mapping[str, Array],
    ):
        super().__init__(operations)
        self.style, self.bits, self.bias_corrections = style, bits, bias_corrections
        self.float_layers = {*float_layers, *deciding(operations)}
        self.ranges = tied_ranges(operations, ranges)
        self.before = {name: Range.of(*pair) for name, pair in ranges.items() if name.endswith(BEFORE)}
        self.outputs = set(operations.outputs.values())

    def whole(self) -> Operations:
        """All of them."""
        steps = list(self.operations)
        if steps and isinstance(steps[0], ops.Images):
            self.add(steps.pop(0))
        if any(step.layer not in self.float_layers for step in self.operations.readers.get(INPUT, ())):
            self.values[INPUT] = self.quantize(INPUT, self.ranges[INPUT], f"{INPUT}:integers", INPUT)
        for step in steps:
            self.values[step.name] = self._rewritten(step)
        return self.done({name: self.values[value] for name, value in self.operations.outputs.items()})

    def _rewritten(self, step: Operation) -> str:
        inputs = [self.values[name] for name in step.inputs]
        if step.copies:
            return self._copied(step, inputs)
        match step:
            case ops.Convolve() | ops.ConvolveTransposed() | ops.FullyConnect():
                return self._rounded(self._with_filters(step, inputs[0]))
            case ops.Activate():
                return self._activated(step, inputs[0])
        return self._rounded(replace(step, inputs=tuple(inputs)))

    def _stays(self, step: Operation) -> bool:
        """Whether what an operation makes stays in float."""
        return step.layer in self.float_layers or step.name in self.outputs or step.name != step.layer

    def _rounded(self, step: Operation) -> str:
        """An operation, and integers of what it makes, where those are the layer's."""
        if self._stays(step):
            return self.add(step)
        floats = self.add(replace(step, name=f"{step.name}:made"))
        return self.quantize(floats, self.ranges[step.name], step.name, step.layer)

    def _copied(self, step: Operation, inputs: list[str]) -> str:
        inputs, others = inputs[: len(step.copied)], inputs[len(step.copied) :]
        found = {range_ for name in inputs if (range_ := self.range(name)) is not None}
        wanted = self.ranges[step.name]  # that of all its inputs
        if found == {wanted} and step.layer not in self.float_layers:
            inputs = [
                name if self.range(name) else self.quantize(name, wanted, f"{step.name}:read_{number}", step.layer)
                for number, name in enumerate(inputs)
            ]
        step = replace(step, inputs=(*inputs, *others))
        if len(found) == 1 and all(self.range(name) for name in inputs):
            return self.add(replace(step, range=found.pop()))
        return self._rounded(step)

    def _with_filters(self, step: ops.Convolve | ops.ConvolveTransposed | ops.FullyConnect, x: str) -> Operation:
        range_ = self.range(x)
        if step.layer in self.float_layers:
            return replace(step, inputs=(self._opened(x, step) if range_ is not None else x,))
        if range_ is None:
            x = self.quantize(x, self.ranges[step.inputs[0]], f"{step.layer}:read", step.layer)
            range_ = self.range(x)
        assert range_ is not None
        correction = self.bias_corrections.get(step.layer, 0.0)
        return replace(step, inputs=(x,), filters=quantized(step.filters, range_, self.bits, correction))

    def _opened(self, x: str, reader: Operation) -> str:
        """Integers as floats for a layer that stays in float.

        ONNX Runtime quantizes filters, all with one scale, where their input is dequantized with one scale; so each
        channel has its own here, though all are the same.
        """
        if self.style != "lut":
            return x
        made, word = self.by_name[x], "values" if isinstance(reader, ops.FullyConnect) else "channels"
        return self.add(ops.Open(name=f"{x}:{word}", inputs=(x,), layer=made.layer, shape=made.shape))

    def _activated(self, step: ops.Activate, x: str) -> str:
        """An activation; nothing where quantizing does the same."""
        name, layer, kind = step.name, step.layer, step.kind
        plain = replace(step, inputs=(x,))
        if self._stays(step) or self.range(x) is not None:
            return self._rounded(plain)
        if kind in CLIPPING and self._clips(kind, self.ranges[name]):
            return self.quantize(x, self.ranges[name], name, layer)
        before = self.before.get(f"{name}{BEFORE}")
        if self.style == "fused" or kind not in LUT_ACTIVATIONS or (kind != "h_sigmoid" and before is None):
            return self._rounded(plain)
        common: dict[str, Any] = {"layer": layer, "shape": step.shape}
        if kind == "h_sigmoid":
            integers = self.quantize(x, THREE, f"{name}:rounded", layer)
            return self.add(ops.Reread(name=name, inputs=(integers,), range=GATE, **common))
        assert before is not None
        integers = self.quantize(x, before, f"{name}:rounded", layer)
        if kind == "sigmoid":
            return self.add(replace(step, inputs=(integers,), range=GATE))
        looked_up: Activation = "h_sigmoid" if kind == "h_swish" else "sigmoid"
        gate = ops.Activate(name=f"{name}:gate", inputs=(integers,), kind=looked_up, range=GATE, **common)
        return self._rounded(ops.Multiply(name=name, inputs=(integers, self.add(gate)), **common))

    @staticmethod
    def _clips(kind: str, range_: Range) -> bool:
        """Whether quantizing does what ReLU or ReLU6 does: the range ends where they clip, see `tied_ranges`.

        It does not where the range is tied to that of a value which they do not clip.
        """
        return range_.zero_point == 0 and (kind == "relu" or range_.scale * 255 < 6 + 1e-6)
