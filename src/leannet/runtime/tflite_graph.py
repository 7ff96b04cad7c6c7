"""A network as a LiteRT (.tflite) file for phones, written straight from its rows.

Values are (N, H, W, C) there. Where padding is not that of TensorFlow's "same" rule, an operation of its own pads. The
batch is 1 in the file, and may be resized.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from leannet import rows
from leannet.errors import LeannetError
from leannet.rows import INPUT, Activation, Architecture, Node, Shape, pad_before_after
from leannet.runtime.folding import Array, Weights, folded, pads_of, pool_pads, scale_and_shift, weight_of
from leannet.runtime.tflite_file import Operator, Tensor, pack

SAME, VALID = 0, 1
FUSED: dict[str, int] = {"linear": 0, "relu": 1, "relu6": 3}
LOWEST = float(np.finfo(np.float32).min)


def to_tflite(architecture: Architecture, weights: Weights) -> bytes:
    """The file: `input` (N, H, W, C) float32 -> one output a row of `outputs`, a vector as (N, C).

    Raises LeannetError for a row that LiteRT has no operation for, and where the package `tflite` is missing.
    """
    return TfliteWriter(architecture, weights).file()


class TfliteWriter:
    """Writes operations, layer by layer."""

    def __init__(self, architecture: Architecture, weights: Weights):
        self.architecture, self.weights = architecture, weights
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.values = {INPUT: self._tensor(INPUT, nhwc(architecture.input.shape))}

    def file(self) -> bytes:
        """The whole file."""
        for node in self.architecture.layers:
            self.values[node.path] = self._layer(node)
        outputs = []
        for name in self.architecture.output_names:
            shape = self.architecture.shapes[name]
            value = self.values[self.architecture.made_by[name]]
            vector = (shape.height, shape.width) == (1, 1)
            output_shape = (1, shape.channels) if vector else nhwc(shape)
            outputs.append(self.output(value, f"{name}:0", output_shape))
        return pack(self.architecture.name, self.tensors, self.operators, [self.values[INPUT]], outputs)

    def output(self, value: int, name: str, shape: Sequence[int]) -> int:
        """A value as it leaves the network."""
        return self._reshape(value, name, shape)

    # Tensors and operations

    def _tensor(self, name: str, shape: Sequence[int]) -> int:
        self.tensors.append(Tensor(name, tuple(shape)))
        return len(self.tensors) - 1

    def constant(self, name: str, value: Array) -> int:
        """A constant, float32 or int32."""
        data = np.asarray(value)
        data = data.astype(np.int32 if data.dtype.kind == "i" else np.float32)
        self.tensors.append(Tensor(name, data.shape, data))
        return len(self.tensors) - 1

    def op(
        self, kind: str, inputs: Sequence[int], name: str, shape: Sequence[int], options: str = "", version: int = 1,
        **fields: Any,
    ) -> int:  # fmt: skip
        """Adds an operation; its output has this name and shape."""
        output = self._tensor(name, shape)
        self.operators.append(Operator(kind, list(inputs), [output], options, fields, version))
        return output

    def _shape(self, value: int) -> tuple[int, ...]:
        return self.tensors[value].shape

    def _reshape(self, x: int, name: str, shape: Sequence[int]) -> int:
        new_shape = self.constant(f"{name}:shape", np.array((-1, *shape[1:]), np.int32))
        return self.op("RESHAPE", [x, new_shape], name, shape, "ReshapeOptions", NewShape=(-1, *shape[1:]))

    def _pad(self, x: int, name: str, pads: Sequence[int], value: float = 0.0) -> int:
        """pads: above, left, below, right."""
        top, left, bottom, right = pads
        n, h, w, c = self._shape(x)
        around = self.constant(f"{name}:around", np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
        shape = (n, h + top + bottom, w + left + right, c)
        if value == 0:
            return self.op("PAD", [x, around], name, shape, "PadOptions")
        fill = self.constant(f"{name}:fill", np.array([value], np.float32))
        return self.op("PADV2", [x, around, fill], name, shape, "PadV2Options")

    def _window(
        self, x: int, path: str, shape: Shape, kernel: int, stride: int, pads: Sequence[int], fill: float = 0.0
    ) -> tuple[int, int]:
        """What a window reads, padded before where LiteRT's rules do not pad so, and the rule that it pads by."""
        if not any(pads):
            return x, VALID
        if _is_same_padding(shape, kernel, stride, pads):
            return x, SAME
        return self._pad(x, f"{path}:pad", pads, fill), VALID

    # Layers

    def _layer(self, node: Node) -> int:
        layer, path, inputs = node.row, node.path, [self.values[name] for name in node.inputs]
        out = nhwc(node.out_shape)
        match layer:
            case rows.Conv() | rows.Depthwise():
                return self._conv(node, layer, inputs[0])
            case rows.Linear():
                return self._linear(node, layer, inputs[0])
            case rows.Dropout():
                return inputs[0]
            case rows.Activate():
                return self.activation(layer.activation, inputs[0], path)
            case rows.Add():
                return self._add(layer, inputs, path, out)
            case rows.Multiply():
                return self.op("MUL", inputs, path, out, "MulOptions")
            case rows.Concat():
                return self.op("CONCATENATION", inputs, path, out, "ConcatenationOptions", Axis=3)
        return self._one_input(node, inputs[0])

    def _one_input(self, node: Node, x: int) -> int:
        """Layers of one input, without filters."""
        layer, path, (shape, *_), out = node.row, node.path, node.in_shapes, nhwc(node.out_shape)
        match layer:
            case rows.Pool():
                return self._pool(node, layer, x)
            case rows.GlobalPool():
                return self._global_pool(layer.size, x, path, shape, out)
            case rows.Flatten():
                return self._reshape(self._channels_first(x, path), path, out)
            case rows.Shuffle():
                _, h, w, c = out
                apart = self._reshape(x, f"{path}:apart", (1, h, w, layer.groups, c // layer.groups))
                order = self.constant(f"{path}:order", np.array([0, 1, 2, 4, 3], np.int32))
                turned = (1, h, w, c // layer.groups, layer.groups)
                return self._reshape(
                    self.op("TRANSPOSE", [apart, order], f"{path}:turned", turned, "TransposeOptions"), path, out
                )
            case rows.Slice():
                return self._slice(x, path, (0, 0, 0, layer.start), out)
            case rows.Shift():
                cut = self._slice(
                    x, f"{path}:cut", (0, 1, 1, 0), (1, shape.height - 1, shape.width - 1, shape.channels)
                )
                return self._pad(cut, path, (0, 0, 1, 1))
            case rows.Upsample():
                size = self.constant(f"{path}:size", np.array(out[1:3], np.int32))
                return self.op("RESIZE_NEAREST_NEIGHBOR", [x, size], path, out, "ResizeNearestNeighborOptions")
            case rows.LocalResponse():
                fields: dict[str, Any] = {
                    "Radius": layer.size // 2,
                    "Bias": layer.k,
                    "Alpha": layer.alpha / layer.size,
                    "Beta": layer.beta,
                }
                options = "LocalResponseNormalizationOptions"
                return self.op("LOCAL_RESPONSE_NORMALIZATION", [x], path, out, options, **fields)
            case rows.Normalize():
                scale, shift = scale_and_shift(self.weights, node, layer.norm)
                scaled = self.op("MUL", [x, self.constant(f"{path}:scale", scale)], f"{path}:scaled", out, "MulOptions")
                return self.op("ADD", [scaled, self.constant(f"{path}:shift", shift)], path, out, "AddOptions")
        raise LeannetError(f"row '{path}': LiteRT has no operation for kind {type(layer).__name__}")

    def _add(self, layer: rows.Add, inputs: Sequence[int], path: str, out: Sequence[int]) -> int:
        total, last = inputs[0], len(inputs) - 2
        for number, other in enumerate(inputs[1:]):
            fused = FUSED.get(layer.activation, 0) if number == last else 0
            name = f"{path}:sum_{number}" if number < last else path if layer.activation in FUSED else f"{path}:add"
            total = self.op("ADD", [total, other], name, out, "AddOptions", FusedActivationFunction=fused)
        return total if layer.activation in FUSED else self.activation(layer.activation, total, path)

    def _slice(self, x: int, name: str, begin: Sequence[int], shape: Sequence[int]) -> int:
        first = self.constant(f"{name}:begin", np.array(begin, np.int32))
        size = self.constant(f"{name}:size", np.array((-1, *shape[1:]), np.int32))
        return self.op("SLICE", [x, first, size], name, shape, "SliceOptions")

    def _channels_first(self, x: int, name: str) -> int:
        n, h, w, c = self._shape(x)
        if h * w == 1:
            return x
        order = self.constant(f"{name}:order", np.array([0, 3, 1, 2], np.int32))
        return self.op("TRANSPOSE", [x, order], f"{name}:turned", (n, c, h, w), "TransposeOptions")

    def _conv(self, node: Node, layer: rows.Conv | rows.Depthwise, x: int) -> int:
        path, (shape, *_), out = node.path, node.in_shapes, nhwc(node.out_shape)
        weight, bias = folded(self.weights, node)
        pads = pads_of(shape, layer.kernel, layer.stride, layer.padding)
        padded, padding = self._window(x, path, shape, layer.kernel, layer.stride, pads)
        fused = FUSED.get(layer.activation, 0)
        fields = {
            "Padding": padding,
            "StrideW": layer.stride,
            "StrideH": layer.stride,
            "FusedActivationFunction": fused,
        }
        name = path if layer.activation in FUSED else f"{path}:conv"
        if isinstance(layer, rows.Depthwise):
            inputs = [padded, *self.filters(node, padded, weight.transpose(1, 2, 3, 0), bias, axis=3)]
            options = "DepthwiseConv2DOptions"
            output = self.op("DEPTHWISE_CONV_2D", inputs, name, out, options, DepthMultiplier=1, **fields)
        else:
            inputs = [padded, *self.filters(node, padded, weight.transpose(0, 2, 3, 1), bias)]
            version = 6 if layer.groups > 1 else 1  # the first that knows groups
            output = self.op("CONV_2D", inputs, name, out, "Conv2DOptions", version, **fields)
        return output if layer.activation in FUSED else self.activation(layer.activation, output, path)

    def filters(self, node: Node, x: int, weight: Array, bias: Array, axis: int = 0) -> list[int]:
        """A layer's weights. x: what they are multiplied with. axis: where its output channels lie."""
        return [self.constant(f"{node.path}:weight", weight), self.constant(f"{node.path}:bias", bias)]

    def _linear(self, node: Node, layer: rows.Linear, x: int) -> int:
        path, (shape, *_), out = node.path, node.in_shapes, nhwc(node.out_shape)
        weight = weight_of(self.weights, node, "linear.weight")
        # Its inputs come in the order (H, W, C) here.
        weight = weight.reshape(len(weight), *shape).transpose(0, 2, 3, 1).reshape(len(weight), -1)
        bias = weight_of(self.weights, node, "linear.bias") if layer.bias else np.zeros(len(weight), np.float32)
        flat = self._reshape(x, f"{path}:flat", (1, shape.elements))
        fused = FUSED.get(layer.activation, 0)
        inputs = [flat, *self.filters(node, flat, weight, bias)]
        fields = {"FusedActivationFunction": fused}
        product = self.op("FULLY_CONNECTED", inputs, f"{path}:product", (1, out[3]), "FullyConnectedOptions", **fields)
        name = path if layer.activation in FUSED else f"{path}:image"
        output = self._reshape(product, name, out)
        return output if layer.activation in FUSED else self.activation(layer.activation, output, path)

    def activation(self, kind: Activation, x: int, name: str) -> int:
        """The activation of a value."""
        shape = self._shape(x)
        match kind:
            case "linear":
                return x
            case "h_sigmoid":
                three, sixth = (self.constant(f"{name}:{word}", np.array([number], np.float32))
                                for word, number in (("three", 3), ("sixth", 1 / 6)))  # fmt: skip
                fields = {"FusedActivationFunction": FUSED["relu6"]}
                moved = self.op("ADD", [x, three], f"{name}:moved", shape, "AddOptions", **fields)
                return self.op("MUL", [moved, sixth], name, shape, "MulOptions")
            case "swish":
                gate = self.op("LOGISTIC", [x], f"{name}:gate", shape)
                return self.op("MUL", [x, gate], name, shape, "MulOptions")
            case "h_swish":
                return self.op("HARD_SWISH", [x], name, shape, "HardSwishOptions")
        operations = {"relu": "RELU", "relu6": "RELU6", "sigmoid": "LOGISTIC", "tanh": "TANH"}
        return self.op(operations[kind], [x], name, shape)

    def _pool(self, node: Node, layer: rows.Pool, x: int) -> int:
        path, (shape, *_) = node.path, node.in_shapes
        pads = pool_pads(layer, shape, node.out_shape)
        fill = LOWEST if layer.op == "max" else 0.0
        padded, padding = self._window(x, path, shape, layer.kernel, layer.stride, pads, fill)
        if layer.op == "average":
            return self._mean(node, layer, padded, padding, padded != x)
        out = nhwc(node.out_shape)
        return self.op("MAX_POOL_2D", [padded], path, out, "Pool2DOptions", **_windows(layer, padding))

    def _mean(self, node: Node, layer: rows.Pool, padded: int, padding: int, counts_zeros: bool) -> int:
        """The mean of each window. counts_zeros: those around the map are in `padded`, and would be counted."""
        path, out = node.path, nhwc(node.out_shape)
        name = f"{path}:counted" if counts_zeros else path
        mean = self.op("AVERAGE_POOL_2D", [padded], name, out, "Pool2DOptions", **_windows(layer, padding))
        return self._without_zeros(node, layer, mean) if counts_zeros else mean

    def _without_zeros(self, node: Node, layer: rows.Pool, counted: int) -> int:
        """Means in which zeros around the map were counted, without them."""
        path, out = node.path, nhwc(node.out_shape)
        share = self.constant(f"{path}:share", layer.kernel**2 / pixels_in_windows(node, layer)[None, :, :, None])
        return self.op("MUL", [counted, share], path, out, "MulOptions")

    def _global_pool(self, size: int, x: int, path: str, shape: Shape, out: Sequence[int]) -> int:
        if size == 1:
            axes = self.constant(f"{path}:axes", np.array([1, 2], np.int32))
            return self.op("MEAN", [x, axes], path, out, "ReducerOptions", KeepDims=True)
        if shape.height % size or shape.width % size:
            raise LeannetError(f"row '{path}': LiteRT has no mean over {size} parts of {shape.height} x {shape.width}")
        high, wide = shape.height // size, shape.width // size
        fields = {"Padding": VALID, "StrideW": wide, "StrideH": high, "FilterWidth": wide, "FilterHeight": high}
        return self.op("AVERAGE_POOL_2D", [x], path, out, "Pool2DOptions", **fields)


def _is_same_padding(shape: Shape, kernel: int, stride: int, pads: Sequence[int]) -> bool:
    """Whether pads (above, left, below, right) are those of TensorFlow's "same" rule."""
    (top, bottom), (left, right) = (pad_before_after(size, kernel, stride, "same") for size in shape[1:])
    return list(pads) == [top, left, bottom, right]


def nhwc(shape: Shape) -> tuple[int, int, int, int]:
    """The shape as LiteRT has it, for one image."""
    return 1, shape.height, shape.width, shape.channels


def pixels_in_windows(node: Node, layer: rows.Pool) -> Array:
    """(H', W'): how many pixels of each window are of the map, not zeros around it."""
    (shape, *_), out = node.in_shapes, node.out_shape
    sides = []
    for size, before, length in zip(shape[1:], pool_pads(layer, shape, out)[:2], out[1:], strict=True):
        starts = np.arange(length) * layer.stride - before
        sides.append(np.minimum(starts + layer.kernel, size) - np.maximum(starts, 0))
    return np.outer(*sides)


def _windows(layer: rows.Pool, padding: int) -> dict[str, int]:
    sides = {f"Filter{side}": layer.kernel for side in ("Width", "Height")}
    return sides | {"Padding": padding, "StrideW": layer.stride, "StrideH": layer.stride}
