"""A network as ONNX, written from its rows: one node or a few for each layer, named by its path.

The rows say everything that a tracer would have to find out, so nothing is traced: every kind of layer is written in
the form that runtimes are fastest at, batch norm is folded into the convolution before it, and a profile of the graph
reads like the table. The batch is free; the image's size is fixed, unless the graph resizes it itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from leannet import rows
from leannet.errors import LeannetError
from leannet.preprocessing import Preprocessing
from leannet.rows import INPUT, Activation, Architecture, Node, Shape
from leannet.runtime.folding import Array, Weights, folded, pads_of, pool_pads, scale_and_shift, weight_of
from leannet.runtime.onnx_versions import lowest_ir, lowest_opset

BATCH = "batch"
# One float32 step below 1/6. With 1/6 itself, OpenCV takes any product of h-sigmoid and another value for h-swish, and
# answers something else without an error; this value moves no answer by more than rounding does.
SIXTH = float(np.nextafter(np.float32(1 / 6), np.float32(0)))
IMAGES = "images"  # the input of a graph that normalizes; in files of format version 1 it has another name


def to_onnx(
    architecture: Architecture,
    weights: Weights,
    images: Preprocessing | None = None,
    stored_as: str = "float32",
    sized: bool = False,
) -> Any:
    """The onnx.ModelProto of a network in evaluation: `input` (N, C, H, W) float32 -> one output a row of `outputs`.

    weights: the network's state by name, as numpy arrays (`numpy_weights`). A classifier's output is (N, classes).
    images: the graph takes `images` (N, height, width, C) uint8 of any size instead, and does the last of the
    resizing, with antialiasing, the scaling and the normalization itself. sized: they have the network's size, and the
    graph only normalizes. stored_as: the type of weights in the file: float32, or float16 or bfloat16 for half the
    bytes; they are computed with as float32.
    Raises LeannetError where the package `onnx` is missing.
    """
    return GraphWriter(architecture, weights, images, stored_as, sized).model()


def half_dtype(name: str) -> Any:
    """numpy's type for float16 or bfloat16."""
    if name == "float16":
        return np.float16
    import ml_dtypes  # onnx brings it

    return ml_dtypes.bfloat16


def numpy_weights(state: Mapping[str, Any]) -> dict[str, Array]:
    """A torch state as numpy arrays."""
    return {name: value.detach().cpu().numpy() for name, value in state.items()}


def onnx_package() -> Any:
    """The package `onnx`, of the extra `deploy`. Raises LeannetError where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise LeannetError("this needs the package onnx: pip install 'leannet[deploy]'") from None
    return onnx


class GraphWriter:
    """Writes the nodes of a graph, layer by layer.

    A vector, (N, C, 1, 1) in the rows, is (N, C) behind a fully connected layer, and is reshaped only where a reader
    needs it.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Weights,
        images: Preprocessing | None = None,
        stored_as: str = "float32",
        sized: bool = False,
    ):
        """The parameters are those of `to_onnx`."""
        self.onnx = onnx_package()
        self.architecture, self.weights, self.stored_as = architecture, weights, stored_as
        self.images, self.sized = images, sized
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.values = {INPUT: INPUT}  # path of a layer -> name of its output
        self.flat: set[str] = set()  # values of two dimensions
        self._flat_of: dict[str, str] = {}
        self._image_of: dict[str, str] = {}
        self._outputs: dict[str, str] = {}  # value -> the graph's output that it is

    def model(self) -> Any:
        """The whole graph."""
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info(INPUT, kind, [BATCH, *self.architecture.input.shape])]
        if self.images is not None:
            channels, *size = self.architecture.input.shape
            dims = [BATCH, *(size if self.sized else ("height", "width")), channels]
            inputs = [helper.make_tensor_value_info(IMAGES, self.onnx.TensorProto.UINT8, dims)]
        self.values[INPUT] = self._network_input()
        for node in self.architecture.layers:
            self.values[node.path] = self._layer(node)
        outputs = []
        for name in self.architecture.output_names:
            shape = self.architecture.shapes[name]
            value = self.values[self.architecture.made_by[name]]
            vector = (shape.height, shape.width) == (1, 1)
            self._make_output(self.vector(value) if vector else value, f"{name}:0")
            outputs.append(helper.make_tensor_value_info(f"{name}:0", kind, [BATCH, *(shape[:1] if vector else shape)]))
        tensors = [self.onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, self.architecture.name, inputs, outputs, tensors)
        opset = lowest_opset(self.onnx, self.nodes, inputs, self.constants)
        opsets, ir = [helper.make_opsetid("", opset)], lowest_ir(self.onnx, opset)
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="leannet")

    def _make_output(self, value: str, output: str) -> None:
        """Makes a value the graph's output of that name, by renaming it.

        An Identity would do the same, but is one more node, and readers of OpenVINO's own form from before 2025 do not
        know it. There is one only where no node makes the value, or where it is an output already.
        """
        value = self._outputs.get(value, value)
        if value in self._outputs.values() or not any(value in node.output for node in self.nodes):
            self.nodes.append(self.onnx.helper.make_node("Identity", [value], [output]))
            return
        self._outputs[value] = output
        self.values = {path: output if name == value else name for path, name in self.values.items()}
        for node in self.nodes:
            for names in (node.input, node.output):
                names[:] = [output if name == value else name for name in names]

    # Nodes and constants

    def node(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Adds a node; its output has its name."""
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Array) -> str:
        """Adds a constant. The same name may be added again with the same value."""
        value = np.asarray(value, order="C")
        assert np.array_equal(self.constants.setdefault(name, value), value), f"two constants are named {name}"
        return name

    def filters(self, node: Node, weight: Array, bias: Array | None) -> list[str]:
        """Adds a layer's weights, in the type that they are stored in."""
        name = f"{node.path}:weight"
        if self.stored_as != "float32":
            stored = self.constant(f"{name}:half", weight.astype(half_dtype(self.stored_as)))
            self.node("Cast", [stored], name, to=self.onnx.TensorProto.FLOAT)
        else:
            self.constant(name, weight)
        return [name] if bias is None else [name, self.constant(f"{node.path}:bias", bias)]

    def _network_input(self) -> str:
        """What the first layers read: the graph's input, normalized where it is images."""
        return INPUT if self.images is None else self._normalized(self.images)

    def _normalized(self, preprocessing: Preprocessing) -> str:
        """Images as the network reads them."""
        channels_first = self.node("Transpose", [IMAGES], f"{IMAGES}:channels_first", perm=[0, 3, 1, 2])
        resized = channels_first if self.sized else self._resized(channels_first, preprocessing)
        floats = self.node("Cast", [resized], f"{IMAGES}:floats", to=self.onnx.TensorProto.FLOAT)
        mean, std = (np.array(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
        scale = self.constant(f"{IMAGES}:scale", (preprocessing.scale / std).astype(np.float32))
        shift = self.constant(f"{IMAGES}:shift", (-mean / std).astype(np.float32))
        return self.node("Add", [self.node("Mul", [floats, scale], f"{IMAGES}:scaled"), shift], INPUT)

    def _resized(self, images: str, preprocessing: Preprocessing) -> str:
        """Images (N, C, height, width) of any size at the network's, as Pillow resizes them, to one level of 256."""
        # All four lengths, though two stay: runtimes that move the transposition lose track of `axes`.
        number = self.node("Shape", [IMAGES], f"{IMAGES}:number", start=0, end=1)
        lengths = self.constant(f"{IMAGES}:lengths", np.array(self.architecture.input.shape, np.int64))
        size = self.node("Concat", [number, lengths], f"{IMAGES}:size", axis=0)
        return self.node(
            "Resize", [images, "", "", size], f"{IMAGES}:resized",
            mode={"bilinear": "linear", "bicubic": "cubic"}[preprocessing.interpolation], cubic_coeff_a=-0.5,
            coordinate_transformation_mode="half_pixel", antialias=1, exclude_outside=1,
        )  # fmt: skip

    def vector(self, value: str) -> str:
        """The same value as (N, C * H * W)."""
        if value in self.flat:
            return value
        if value not in self._flat_of:
            self._flat_of[value] = self.node("Flatten", [value], f"{value}:flat", axis=1)
            self.flat.add(self._flat_of[value])
        return self._flat_of[value]

    def image(self, value: str) -> str:
        """The same value as (N, C, H, W)."""
        if value not in self.flat:
            return value
        if value not in self._image_of:
            axes = self.constant("constant:axes", np.array([2, 3], np.int64))
            self._image_of[value] = self.node("Unsqueeze", [value, axes], f"{value}:image")
        return self._image_of[value]

    # Layers

    def _layer(self, node: Node) -> str:
        layer, path, inputs = node.row, node.path, [self.values[name] for name in node.inputs]
        match layer:
            case rows.Conv() | rows.Depthwise():
                return self._conv(node, layer, self.image(inputs[0]))
            case rows.Linear():
                return self._linear(node, layer, self.vector(inputs[0]))
            case rows.Dropout():
                return inputs[0]
            case rows.Flatten():
                return self.vector(inputs[0])
            case rows.Activate():
                return self.activation(layer.activation, inputs[0], path)
            case rows.Add() | rows.Multiply() | rows.Concat() if any(value in self.flat for value in inputs):
                inputs = [self.image(value) for value in inputs]
        match layer:
            case rows.Add():
                self._concats_last(inputs)
                total = inputs[0]
                for number, other in enumerate(inputs[1:]):
                    total = self.node("Add", [total, other], f"{path}:add" + (f"_{number}" if number else ""))
                return self.activation(layer.activation, total, path)
            case rows.Multiply():
                return self.node("Mul", inputs, path)
            case rows.Concat():
                return self.node("Concat", inputs, path, axis=1)
        return self._one_input(node, self.image(inputs[0]))

    def _concats_last(self, values: Sequence[str]) -> None:
        """Puts a Concat that a sum reads right before it: OpenCV 4 sums wrongly with a convolution in between."""
        used = {name for node in self.nodes for name in node.input}
        for node in [node for node in self.nodes if node.op_type == "Concat" and node.output[0] in values]:
            if node.output[0] not in used:
                self.nodes.remove(node)
                self.nodes.append(node)

    def _one_input(self, node: Node, x: str) -> str:
        """Layers of one input and without filters."""
        layer, path, (shape, *_), out = node.row, node.path, node.in_shapes, node.out_shape
        match layer:
            case rows.Pool():
                return self._pool(layer, x, path, shape, out)
            case rows.GlobalPool():
                return self._global_pool(layer.size, x, path, shape)
            case rows.Shuffle():
                return self._shuffle(layer.groups, x, path, shape)
            case rows.Slice():
                bounds = (("start", layer.start), ("stop", layer.start + layer.out_channels), ("axis", 1))
                constants = [self.constant(f"{path}:{name}", np.array([value], np.int64)) for name, value in bounds]
                return self.node("Slice", [x, *constants], path)
            case rows.Upsample():
                scales = self.constant(f"{path}:scales", np.array([1, 1, layer.factor, layer.factor], np.float32))
                modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
                return self.node("Resize", [x, "", scales], path, **modes)
            case rows.Shift():
                pads = self.constant("constant:pads", np.array([0, 0, -1, -1, 0, 0, 1, 1], np.int64))
                return self.node("Pad", [x, pads], path)
            case rows.LocalResponse():
                if layer.size % 2 == 0:
                    raise LeannetError(
                        f"row '{path}', field 'size': ONNX has no window of {layer.size}: expected an odd one"
                    )
                fields = {"alpha": layer.alpha, "beta": layer.beta, "bias": layer.k, "size": layer.size}
                return self.node("LRN", [x], path, **fields)
            case rows.Normalize():
                scale, shift = scale_and_shift(self.weights, node, layer.norm)
                scaled = self.node("Mul", [x, self.constant(f"{path}:scale", scale[:, None, None])], f"{path}:scaled")
                return self.node("Add", [scaled, self.constant(f"{path}:shift", shift[:, None, None])], path)
        raise TypeError(f"no ONNX form for a row of kind {type(layer).__name__}")

    def folded(self, node: Node) -> tuple[Array, Array]:
        """The filters and biases of a convolution, batch norm folded in."""
        return folded(self.weights, node)

    def _conv(self, node: Node, layer: rows.Conv | rows.Depthwise, x: str) -> str:
        path, (shape, *_) = node.path, node.in_shapes
        weight, bias = self.folded(node)
        output = self.node(
            "Conv",
            [x, *self.filters(node, weight, bias)],
            path if layer.activation == "linear" else f"{path}:conv",
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=pads_of(shape, layer.kernel, layer.stride, layer.padding),
            group=shape.channels if isinstance(layer, rows.Depthwise) else layer.groups,
        )
        return self.activation(layer.activation, output, path)

    def _linear(self, node: Node, layer: rows.Linear, x: str) -> str:
        path = node.path
        bias = weight_of(self.weights, node, "linear.bias") if layer.bias else None
        inputs = [x, *self.filters(node, weight_of(self.weights, node, "linear.weight"), bias)]
        output = self.node("Gemm", inputs, path if layer.activation == "linear" else f"{path}:gemm", transB=1)
        self.flat.add(output)
        return self.activation(layer.activation, output, path)

    def activation(self, kind: Activation, x: str, name: str) -> str:
        """The activation of a value."""
        match kind:
            case "linear":
                return x
            case "relu6":
                limits = [self.constant(f"constant:{value}", np.array(value, np.float32)) for value in (0, 6)]
                output = self.node("Clip", [x, *limits], name)
            case "swish":
                output = self.node("Mul", [x, self.node("Sigmoid", [x], f"{name}:sigmoid")], name)
            case "h_sigmoid":
                output = self.node("HardSigmoid", [x], name, alpha=SIXTH, beta=0.5)
            case _:
                operations = {"relu": "Relu", "h_swish": "HardSwish", "sigmoid": "Sigmoid", "tanh": "Tanh"}
                output = self.node(operations[kind], [x], name)
        if x in self.flat:
            self.flat.add(output)
        return output

    def _pool(self, layer: rows.Pool, x: str, path: str, shape: Shape, out: Shape) -> str:
        pads = pool_pads(layer, shape, out)
        window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": pads}
        if layer.op == "max":
            return self.node("MaxPool", [x], path, **window)
        return self.node("AveragePool", [x], path, **window, count_include_pad=0)

    def _global_pool(self, size: int, x: str, path: str, shape: Shape) -> str:
        if size == 1:
            return self.node("GlobalAveragePool", [x], path)
        down, across = (_means(length, size) for length in shape[1:])
        shorter = self.node("MatMul", [self.constant(f"{path}:down", down), x], f"{path}:rows")
        return self.node("MatMul", [shorter, self.constant(f"{path}:across", across.T)], path)

    def _shuffle(self, groups: int, x: str, path: str, shape: Shape) -> str:
        grouped_shape = np.array([0, groups, shape.channels // groups, *shape[1:]], np.int64)
        grouped = self.node("Reshape", [x, self.constant(f"{path}:apart", grouped_shape)], f"{path}:parted")
        transposed = self.node("Transpose", [grouped], f"{path}:turned", perm=[0, 2, 1, 3, 4])
        output_shape = self.constant(f"{path}:together", np.array([0, *shape], np.int64))
        return self.node("Reshape", [transposed, output_shape], path)


def _means(length: int, parts: int) -> Array:
    """(parts, length): the mean of each part, where parts overlap as torch's adaptive pooling lets them."""
    matrix = np.zeros((parts, length), np.float32)
    for part in range(parts):
        first, last = part * length // parts, -(-(part + 1) * length // parts)
        matrix[part, first:last] = 1 / (last - first)
    return matrix
