"""A network as ncnn's two files, written from its rows: a table of layers as text, and their weights.

The text has a line a layer: kind, name, how many values it reads and writes, their names, and numbered settings
(github.com/Tencent/ncnn, docs/developer-guide/operators.md). A value that several layers read is split before, by a
layer of its own. The weights follow each other in the order of the lines, those of convolutions behind four bytes of
zeros, which say that they are float32.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from leannet import rows
from leannet.errors import LeannetError
from leannet.rows import INPUT, Activation, Architecture, Node, Shape
from leannet.runtime.folding import Array, Weights, folded, pads_of, pool_pads, scale_and_shift, weight_of

MAGIC = 7767517
ARRAY = -23300  # a setting that is a list has this number less its own
RAW = b"\0\0\0\0"
Setting = int | float | Sequence[int | float]


def to_ncnn(architecture: Architecture, weights: Weights) -> tuple[str, bytes]:
    """The texts of `.param` and the bytes of `.bin`: `input` (C, H, W) -> one value a row of `outputs`, by its name.

    A vector is (1, 1, C). Raises LeannetError for a row that ncnn has no layer for.
    """
    return NcnnWriter(architecture, weights).files()


class NcnnWriter:
    """Writes the lines of a network, layer by layer. Every value is (C, H, W), as the rows say."""

    def __init__(self, architecture: Architecture, weights: Weights):
        self.architecture, self.weights = architecture, weights
        self.lines: list[tuple[str, str, list[str], list[str], dict[int, Setting]]] = []
        self.data: list[bytes] = []
        self.values = {INPUT: INPUT}  # path of a layer -> name of its output

    def files(self) -> tuple[str, bytes]:
        """Both files."""
        c, h, w = self.architecture.input.shape
        self.lines.append(("Input", INPUT, [], [INPUT], {0: w, 1: h, 2: c}))
        for node in self.architecture.layers:
            self.values[node.path] = self._layer(node)
        for name in self.architecture.output_names:
            value = self.values[self.architecture.made_by[name]]
            self.layer("Noop", [value], f"{name}:0")
        return self._text(), b"".join(self.data)

    def _text(self) -> str:
        """The lines, with a split before each value's second reader."""
        readers = Counter(name for _, _, inputs, _, _ in self.lines for name in inputs)
        copies = {name: [f"{name}:{i}" for i in range(count)] for name, count in readers.items() if count > 1}
        written, blobs = [], 0
        for kind, name, inputs, outputs, settings in self.lines:
            inputs = [copies[value].pop(0) if value in copies else value for value in inputs]
            written.append(_line(kind, name, inputs, outputs, settings))
            blobs += len(outputs)
            for value in outputs:
                if value in copies:
                    written.append(_line("Split", f"{value}:split", [value], list(copies[value]), {}))
                    blobs += len(copies[value])
        return "\n".join([str(MAGIC), f"{len(written)} {blobs}", *written]) + "\n"

    def layer(
        self, kind: str, inputs: Sequence[str], name: str, settings: dict[int, Setting] | None = None, *data: bytes
    ) -> str:
        """Adds a layer; its output has its name."""
        self.lines.append((kind, name, list(inputs), [name], settings or {}))
        self.data += data
        return name

    # Layers

    def _layer(self, node: Node) -> str:
        layer, path, inputs = node.row, node.path, [self.values[name] for name in node.inputs]
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
                total = inputs[0]
                for number, other in enumerate(inputs[1:]):
                    total = self.layer("BinaryOp", [total, other], f"{path}:add_{number}", {0: 0})
                return self.activation(layer.activation, total, path)
            case rows.Multiply():
                return self.layer("BinaryOp", inputs, path, {0: 2})
            case rows.Concat():
                return self.layer("Concat", inputs, path, {0: 0})
        return self._reshaped(node, inputs[0])

    def _reshaped(self, node: Node, x: str) -> str:
        """Layers of one input, without weights or with normalisation alone."""
        layer, path, (shape, *_), out = node.row, node.path, node.in_shapes, node.out_shape
        match layer:
            case rows.Pool():
                top, left, bottom, right = pool_pads(layer, shape, out)
                settings: dict[int, Setting] = {0: 0 if layer.op == "max" else 1, 1: layer.kernel, 2: layer.stride}
                return self.layer("Pooling", [x], path, settings | {3: left, 13: top, 14: right, 15: bottom, 5: 1})
            case rows.GlobalPool() if layer.size == 1:
                return self._image(self.layer("Pooling", [x], f"{path}:mean", {0: 1, 4: 1}), path, out)
            case rows.GlobalPool():
                return self.layer("Pooling", [x], path, {0: 1, 7: 1, 8: layer.size, 18: layer.size})
            case rows.Flatten():
                return self._image(self.layer("Flatten", [x], f"{path}:flat"), path, out)
            case rows.Shuffle():
                return self.layer("ShuffleChannel", [x], path, {0: layer.groups})
            case rows.Slice():
                return self._crop(x, path, [layer.start], [layer.start + layer.out_channels], [0])
            case rows.Upsample():
                return self.layer("Interp", [x], path, {0: 1, 1: float(layer.factor), 2: float(layer.factor)})
            case rows.Shift():
                cut = self._crop(x, f"{path}:cut", [1, 1], [shape.height, shape.width], [1, 2])
                return self.layer("Padding", [cut], path, {0: 0, 1: 1, 2: 0, 3: 1, 4: 0, 5: 0.0})
            case rows.LocalResponse():
                fields: dict[int, Setting] = {0: 0, 1: layer.size, 2: layer.alpha, 3: layer.beta, 4: layer.k}
                return self.layer("LRN", [x], path, fields)
            case rows.Normalize():
                scale, shift = scale_and_shift(self.weights, node, layer.norm)
                return self.layer("Scale", [x], path, {0: len(scale), 1: 1}, _bytes(scale), _bytes(shift))
        raise LeannetError(f"row '{path}': ncnn has no layer for kind {type(layer).__name__}")

    def _image(self, x: str, name: str, shape: Shape) -> str:
        """The same value as (C, H, W)."""
        return self.layer("Reshape", [x], name, {0: shape.width, 1: shape.height, 2: shape.channels})

    def _crop(self, x: str, name: str, starts: list[int], ends: list[int], axes: list[int]) -> str:
        return self.layer("Crop", [x], name, {9: starts, 10: ends, 11: axes})

    def _conv(self, node: Node, layer: rows.Conv | rows.Depthwise, x: str) -> str:
        path, (shape, *_) = node.path, node.in_shapes
        weight, bias = folded(self.weights, node)
        top, left, bottom, right = pads_of(shape, layer.kernel, layer.stride, layer.padding)
        groups = shape.channels if isinstance(layer, rows.Depthwise) else layer.groups
        settings: dict[int, Setting] = {
            0: len(weight), 1: layer.kernel, 3: layer.stride, 4: left, 14: top, 15: right, 16: bottom, 5: 1,
            6: weight.size,
        }  # fmt: skip
        kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
        settings |= {7: groups} if groups > 1 else {}
        name = path if layer.activation == "linear" else f"{path}:conv"
        output = self.layer(kind, [x], name, settings, RAW, _bytes(weight), _bytes(bias))
        return self.activation(layer.activation, output, path)

    def _linear(self, node: Node, layer: rows.Linear, x: str) -> str:
        path = node.path
        weight = weight_of(self.weights, node, "linear.weight")
        data = [RAW, _bytes(weight)]
        if layer.bias:
            data.append(_bytes(weight_of(self.weights, node, "linear.bias")))
        settings: dict[int, Setting] = {0: len(weight), 1: int(layer.bias), 2: weight.size}
        vector = self.layer("InnerProduct", [x], f"{path}:product", settings, *data)
        name = path if layer.activation == "linear" else f"{path}:image"
        return self.activation(layer.activation, self._image(vector, name, node.out_shape), path)

    def activation(self, kind: Activation, x: str, name: str) -> str:
        """The activation of a value."""
        match kind:
            case "linear":
                return x
            case "relu6":
                return self.layer("Clip", [x], name, {0: 0.0, 1: 6.0})
            case "h_swish" | "h_sigmoid":
                layer_kind = "HardSwish" if kind == "h_swish" else "HardSigmoid"
                return self.layer(layer_kind, [x], name, {0: 1 / 6, 1: 0.5})
        kinds = {"relu": "ReLU", "swish": "Swish", "sigmoid": "Sigmoid", "tanh": "TanH"}
        return self.layer(kinds[kind], [x], name)


def _line(kind: str, name: str, inputs: Sequence[str], outputs: Sequence[str], settings: dict[int, Setting]) -> str:
    words = [kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs]
    for key, value in sorted(settings.items()):
        if isinstance(value, int | float):
            words.append(f"{key}={_number(value)}")
        else:
            words.append(f"{ARRAY - key}={len(value)}," + ",".join(_number(each) for each in value))
    return " ".join(words)


def _number(value: int | float) -> str:
    """A float has a point or an exponent, by which ncnn knows it."""
    return str(value) if isinstance(value, int) else f"{value:.9e}"


def _bytes(array: Array) -> bytes:
    return np.ascontiguousarray(array, np.float32).tobytes()
