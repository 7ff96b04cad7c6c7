"""A network of 8-bit integers as ONNX, written from its rows, for runtimes that fuse quantise-dequantise pairs.

Activations are unsigned, with a range and a zero point for each layer; weights are signed, with a scale for each
output channel (Jacob et al., arXiv 1712.05877; Krishnamoorthi, arXiv 1806.08342). What runtimes' own quantisers leave
in float stays in integers here:

- ReLU and ReLU6 cost nothing: an output's range ends where they cut, and rounding saturates there. Only what is joined
  with values that are not cut has an operation for it.
- h-swish(z) is z times a gate that is z again, on the scale where [-3, 3] is all that 8 bits hold: it saturates where
  ReLU6(z + 3) does. So the gate is a table of 256 entries, and the product one integer multiplication.
- Channel shuffle, slices and concatenation move bytes: all values that they join have one range.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from leannet import rows
from leannet.preprocessing import Preprocessing
from leannet.rows import INPUT, Activation, Architecture, Placed
from leannet.runtime.folding import Array, Weights
from leannet.runtime.onnx_graph import GraphWriter

Style = Literal["table", "fused"]  # how h-swish and its kin are written: for ONNX Runtime, for OpenVINO
MICROSOFT = "com.microsoft"
TABLES = ("h_swish", "swish", "sigmoid", "h_sigmoid")
CUT = ("relu", "relu6")
MOVING = (rows.Slice, rows.Shuffle, rows.Concat, rows.Flatten, rows.Upsample)


@dataclass(frozen=True)
class Range:
    """The values that 8 bits stand for: low to high, of which 0 is exactly one."""

    scale: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> "Range":
        low, high = min(low, 0.0), max(high, 0.0)
        # Where all is 0, as behind filters that never fire, any scale is right, and a tiny one overflows in runtimes.
        scale = (high - low) / 255 if high - low > 1e-6 else 1.0
        return cls(scale, int(np.clip(round(-low / scale), 0, 255)))

    def rounded(self, x: Array) -> Array:
        """What becomes of values."""
        return (np.clip(np.rint(x / self.scale) + self.zero, 0, 255) - self.zero) * self.scale


GATE = Range(1 / 255, 0)


def quantize_filters(weight: Array, bits: int = 8, least: Array | float = 0.0) -> tuple[Array, Array]:
    """Filters (C', ...) as int8 and the scale of each output channel (C',), symmetric around 0. least: of any."""
    most = 2 ** (bits - 1) - 1
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    scale = np.maximum(largest / most, np.maximum(least, 1e-8))
    whole = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
    return np.clip(whole, -most, most).astype(np.int8), scale.astype(np.float32)


def least_scales(bias: Array, given: Range) -> Array:
    """Scales of filters with which a layer's bias still fits into 32 bits: those of dead filters may be tiny."""
    return np.asarray(np.abs(bias) / (2**30 * given.scale))


class Int8Writer(GraphWriter):
    """Writes a graph of integers; layers in `floats` stay as they are."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Weights,
        ranges: Mapping[str, tuple[float, float]],
        style: Style = "table",
        floats: frozenset[str] = frozenset(),
        bits: int = 8,
        corrections: Mapping[str, Array] | None = None,
        images: Preprocessing | None = None,
        sized: bool = False,
    ):
        """ranges: least and largest value of the input and of each layer's output, and before its activation
        (`PATH:before`), as `Calibration` finds them. corrections: what to add to the bias of a layer."""
        super().__init__(architecture, weights, images, sized=sized)
        self.style, self.floats, self.bits = style, floats, bits
        self.corrections = corrections or {}
        self.ranges = joined(architecture, ranges)
        self.before = {key.removesuffix(":before"): pair for key, pair in ranges.items() if key.endswith(":before")}
        self.bytes_of: dict[str, tuple[str, Range]] = {}  # a float value -> the same as bytes
        self.opened: set[str] = set()  # bytes made floats channel by channel

    def model(self) -> Any:
        """The whole graph."""
        made = super().model()
        if any(node.domain == MICROSOFT for node in made.graph.node):
            made.opset_import.append(self.onnx.helper.make_opsetid(MICROSOFT, 1))
        return made

    def _read(self) -> str:
        readers = [placed.path for placed in self.architecture.layers if INPUT in placed.inputs]
        if not any(self._whole(path) for path in readers):
            return super()._read()
        return self._as_bytes(super()._read(), Range.of(*self.ranges[INPUT]), INPUT)

    # Values between layers

    def _as_bytes(self, value: str, range_: Range, name: str) -> str:
        """A value rounded to 8 bits, as floats again."""
        return self._as_floats(self._rounded(value, range_, f"{name}:bytes"), range_, name, value in self.flat)

    def _rounded(self, value: str, range_: Range, name: str) -> str:
        return self.node("QuantizeLinear", [value, *self._range(range_, name)], name)

    def _as_floats(self, value: str, range_: Range, name: str, flat: bool) -> str:
        made = self.node("DequantizeLinear", [value, *self._range(range_, name)], f"{name}:floats")
        self.bytes_of[made] = value, range_
        if flat:
            self.flat |= {made, value}
        return made

    def _opened(self, value: str, placed: Placed) -> str:
        """Bytes as floats for a layer that stays in float.

        ONNX Runtime rounds filters to integers, all with one scale, where one scale opens the bytes before them; so
        each channel has its own here, though all are the same.
        """
        if self.style != "table":
            return value
        value = self.vector(value) if isinstance(placed.layer, rows.Linear) else self.image(value)
        source, range_ = self.bytes_of[value]
        made = f"{value}:opened"
        if made not in self.opened:
            self.opened.add(made)
            (shape,) = placed.in_shapes
            number = int(np.prod(shape)) if value in self.flat else shape.channels
            steps = self.constant(f"{made}:step", np.full(number, range_.scale, np.float32))
            zeros = self.constant(f"{made}:zero", np.full(number, range_.zero, np.uint8))
            self.node("DequantizeLinear", [source, steps, zeros], made, axis=1)
            if value in self.flat:
                self.flat.add(made)
        return made

    def _range(self, range_: Range, name: str) -> list[str]:
        return [
            self.constant(f"{name}:step", np.array(range_.scale, np.float32)),
            self.constant(f"{name}:zero", np.array(range_.zero, np.uint8)),
        ]

    def vector(self, value: str) -> str:
        return self._bytes_reshaped(value, super().vector)

    def image(self, value: str) -> str:
        return self._bytes_reshaped(value, super().image)

    def _bytes_reshaped(self, value: str, reshape: Callable[[str], str]) -> str:
        """Another form of a value: its bytes are reshaped, not its floats."""
        if value not in self.bytes_of:
            return reshape(value)
        source, range_ = self.bytes_of[value]
        made = reshape(source)
        name = f"{made}:floats"
        if made == source or name in self.bytes_of:
            return value if made == source else name
        return self._as_floats(made, range_, made, made in self.flat)

    # Layers

    def _layer(self, placed: Placed) -> str:
        path, layer = placed.path, placed.layer
        read = [self.values[name] for name in placed.inputs]
        if isinstance(layer, rows.Dropout):
            return read[0]
        known = {self.bytes_of[value][1] for value in read if value in self.bytes_of}
        joint = Range.of(*self.ranges[path])  # where a layer only moves: that of all it is moved with, see `joined`
        if moves(layer) and known == {joint} and self._whole(path):
            read = [
                value if value in self.bytes_of else self._as_bytes(value, joint, f"{path}:{number}")
                for number, value in enumerate(read)
            ]
        if moves(layer) and len(known) == 1 and all(value in self.bytes_of for value in read):
            with self._reading(placed, [self.bytes_of[value][0] for value in read]):
                made = super()._layer(placed)
            return self._as_floats(made, known.pop(), path, made in self.flat)
        if self._whole(path) and isinstance(layer, rows.Conv | rows.Depthwise | rows.Linear):
            given = read[0]
            if given not in self.bytes_of:
                given = self._as_bytes(given, Range.of(*self.ranges[placed.inputs[0]]), f"{path}:input")
            with self._reading(placed, [given]):
                made = super()._layer(placed)
        elif isinstance(layer, rows.Conv | rows.Depthwise | rows.Linear) and read[0] in self.bytes_of:
            with self._reading(placed, [self._opened(read[0], placed)]):
                made = super()._layer(placed)
        else:
            made = super()._layer(placed)
        if self._whole(path) and made not in self.bytes_of and not self._is_output(path):
            return self._as_bytes(made, Range.of(*self.ranges[path]), path)
        return made

    @contextmanager
    def _reading(self, placed: Placed, values: list[str]) -> Iterator[None]:
        """Inside, a layer's inputs are these values."""
        kept = {name: self.values[name] for name in placed.inputs}
        self.values.update(zip(placed.inputs, values, strict=True))
        try:
            yield
        finally:
            self.values.update(kept)

    def _whole(self, path: str) -> bool:
        return path not in self.floats

    def _is_output(self, path: str) -> bool:
        return path in {self.architecture.made_by[name] for name in self.architecture.output_names}

    def filters(self, placed: Placed, weight: Array, bias: Array | None) -> list[str]:
        path = placed.path
        if not self._whole(path):
            return super().filters(placed, weight, bias)
        _, range_ = self.bytes_of[self.values[placed.inputs[0]]]
        if bias is None:
            return [self._constant_floats(f"{path}:weight", *quantize_filters(weight, self.bits))]
        bias = bias + self.corrections.get(path, 0.0)
        whole, scale = quantize_filters(weight, self.bits, least_scales(bias, range_))
        steps = scale.astype(np.float64) * range_.scale
        rounded = np.rint(bias / steps).astype(np.int32)
        return [
            self._constant_floats(f"{path}:weight", whole, scale),
            self._constant_floats(f"{path}:bias", rounded, steps),
        ]

    def _constant_floats(self, name: str, whole: Array, scale: Array) -> str:
        given = [
            self.constant(f"{name}:whole", whole),
            self.constant(f"{name}:scale", scale.astype(np.float32)),
            self.constant(f"{name}:zero", np.zeros(len(scale), whole.dtype)),
        ]
        return self.node("DequantizeLinear", given, name, axis=0)

    def activation(self, kind: Activation, x: str, name: str) -> str:
        """An activation; where rounding makes it anyway, nothing."""
        if kind == "linear" or not self._whole(name) or self._is_output(name) or x in self.bytes_of:
            return super().activation(kind, x, name)
        if kind in CUT and self._range_cuts(kind, name):
            return x
        if self.style == "fused" or kind not in TABLES or (kind != "h_sigmoid" and name not in self.before):
            return super().activation(kind, x, name)
        flat = x in self.flat
        if kind == "h_sigmoid":
            # On the scale where [-3, 3] is all there is, z is its own h-sigmoid under another name. Half of 255 is not
            # whole: the gate is 0.002 too large.
            return self._as_floats(self._rounded(x, Range(6 / 255, 128), f"{name}:before"), GATE, name, flat)
        before = Range.of(*self.before[name])
        rounded = self._rounded(x, before, f"{name}:before")
        if flat:
            self.flat.add(rounded)
        if kind == "h_swish":
            given = Range(before.scale / 6, before.zero)
            gate = self._table("QLinearLeakyRelu", rounded, given, Range(1 / 255, 128), name, alpha=1.0)
        else:
            gate = self._table("QLinearSigmoid", rounded, before, GATE, name)
        if kind == "sigmoid":
            return self._as_floats(gate, GATE, name, flat)
        opened = self._as_floats(gate, GATE, f"{name}:gate", flat)
        made = self.node("Mul", [self._as_floats(rounded, before, f"{name}:before", flat), opened], name)
        if flat:
            self.flat.add(made)
        return made

    def _range_cuts(self, kind: Activation, name: str) -> bool:
        """Whether rounding does what ReLU or ReLU6 does: where the range ends where they cut, see `joined`.

        Of a value that lies beside others which are not cut, it does not.
        """
        low, high = self.ranges[name]
        return low >= 0 and (kind == "relu" or high <= 6)

    def _table(self, kind: str, x: str, given: Range, made: Range, name: str, **words: float) -> str:
        """An operation that the runtime makes by looking up each of 256 values."""
        inputs = [x, *self._range(given, f"{name}:given"), *self._range(made, f"{name}:made")]
        return self.node(kind, inputs, f"{name}:table", domain=MICROSOFT, **words)


def moves(layer: rows.LayerBase) -> bool:
    """Whether a layer only chooses among values, so that bytes stay what they are."""
    return isinstance(layer, MOVING) or (isinstance(layer, rows.Pool) and layer.op == "max")


def joined(architecture: Architecture, ranges: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The ranges of values, cut where ReLU and ReLU6 cut; what is only moved has the range of all it is moved with."""
    found: dict[str, tuple[float, float]] = {INPUT: ranges[INPUT]}
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group.get(name, name) != name:
            name = group[name]
        return name

    for placed in architecture.layers:
        layer, path = placed.layer, placed.path
        if moves(layer) or isinstance(layer, rows.Dropout):
            found[path] = found[placed.inputs[0]]
            for source in placed.inputs:
                group[root(source)] = root(path)
            continue
        low, high = ranges[path]
        kind = getattr(layer, "activation", "linear")
        if kind in CUT:
            low, high = 0.0, min(high, 6.0) if kind == "relu6" else high
        found[path] = low, high
    members: dict[str, list[str]] = {}
    for name in found:
        members.setdefault(root(name), []).append(name)
    for names in members.values():
        low, high = min(found[name][0] for name in names), max(found[name][1] for name in names)
        found.update((name, (low, high)) for name in names)
    return found
