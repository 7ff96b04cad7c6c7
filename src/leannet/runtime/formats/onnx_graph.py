"""The nodes and constants of an ONNX graph while it is written, and how its values are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from leannet.errors import LeannetError
from leannet.rows import INPUT
from leannet.runtime import operations as ops
from leannet.runtime.lowered import Operations
from leannet.runtime.onnx_versions import with_bodies
from leannet.runtime.operations import Array, Operation, Range

SHARED = "constant:"  # how the names of constants begin that many nodes read
# As what a value is read: (N, C); (N, C, H, W); as it is; or all of an operation's in one of the forms.
Shaped = Literal["vector", "image", "", "alike"]
# How each operation is spelled, and as what it reads its inputs; None: it reads them by itself.
Table = Mapping[type[Operation], tuple[Callable[..., str], Shaped | None]]


def onnx_package() -> Any:
    """The package `onnx`, of the extra `deploy`. Raises LeannetError where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise LeannetError("this needs the package onnx: pip install 'leannet[deploy]'") from None
    return onnx


def half_dtype(name: str) -> Any:
    """numpy's type for float16 or bfloat16."""
    if name == "float16":
        return np.float16
    import ml_dtypes  # onnx brings it

    return ml_dtypes.bfloat16


class OnnxGraph:
    """Nodes and constants.

    A vector is (N, C) behind a fully connected layer, and is reshaped only where a reader needs it; of integers the
    bytes are reshaped, not what they stand for.
    """

    def __init__(self, operations: Operations, table: Table, stored_as: str, gathers: bool = False):
        """gathers: a branch decides for any number of images."""
        self.onnx, self.table = onnx_package(), table
        self.operations, self.stored_as, self.gathers = operations, stored_as, gathers
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.made: dict[str, str] = {INPUT: INPUT}  # value -> the name of its tensor; of integers, of the bytes
        self.flat: set[str] = set()  # tensors of two dimensions
        self.booleans: dict[str, str] = {}  # decision -> the tensor that says it as true or false
        self.parts: dict[str, dict[str, str]] = {}  # of what finds boxes, the tensor of each part
        self.renamed: dict[str, str] = {}  # tensors that have another name now
        self._names: set[str] = set()  # of nodes
        self._outer: OnnxGraph | None = None  # of a body, the graph around it
        self.own: set[str] = set()  # the values that a body makes
        self.name = ""  # of a body

    def write(self, step: Operation) -> None:
        """Adds the nodes of an operation."""
        spell, shaped = self.table[type(step)]
        self.made[step.name] = spell(self, step, *(self.inputs(step, shaped) if shaped is not None else ()))

    # Bodies of branches

    def inside(self, steps: Sequence[Operation], name: str) -> "OnnxGraph":
        """A graph for some operations, which reads what is made here, and has the constants that are its own."""
        operations = replace(self.operations, steps=(*self.operations, *steps))
        inner = OnnxGraph(operations, self.table, self.stored_as, self.gathers)
        inner._outer, inner.own, inner.name = self, {step.name for step in steps}, name
        inner.made, inner.flat, inner.booleans = dict(self.made), set(self.flat), dict(self.booleans)
        return inner

    def enter(self, value: str) -> None:
        """Reads a map from outside through a pooling of single pixels, which changes nothing.

        ONNX Runtime gives its own layout only to what its own operations make: behind one, a convolution, the sum that
        ends a block and the activation function are one pass over the map, where they were four.
        """
        self.own.add(value)
        self.made[value] = self.node("MaxPool", [self.made[value]], f"{self.name}:{value}", kernel_shape=[1, 1])

    def gather(self, value: str, index: str) -> None:
        """Reads a value from outside for some of the images; of integers, bytes."""
        assert self._outer is not None
        outer = self._outer.read(value, as_integers=True)
        self.own.add(value)
        self.made[value] = self.node("Gather", [outer, index], f"{self.name}:{value}:some", axis=0)
        if outer in self._outer.flat:
            self.flat.add(self.made[value])

    def body(self, made: str, dims: Sequence[int | None], is_integers: bool) -> Any:
        """The graph as the body of a branch. made: the tensor that it gives, of this shape."""
        helper, numbers, kinds = self.onnx.helper, self.onnx.numpy_helper, self.onnx.TensorProto
        output = helper.make_tensor_value_info(made, kinds.UINT8 if is_integers else kinds.FLOAT, dims)
        constants = [numbers.from_array(value, each) for each, value in self.constants.items()]
        return helper.make_graph(self.nodes, self.name, [], [output], constants)

    def crosses_a_border(self, value: str) -> bool:
        """Whether a value of floats comes out of a branch, in the layout that all operations read."""
        made = self.operations.by_name.get(value)
        return isinstance(made, ops.Branch) and made.range is None

    # Nodes, constants and values

    def node(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Adds a node; its output has its name."""
        self._names.add(name)
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, inputs: Sequence[str], outputs: Sequence[str], name: str) -> None:
        """Adds a node that parts channels. inputs: the tensor and how many each part has."""
        self.nodes.append(self.onnx.helper.make_node("Split", list(inputs), list(outputs), name=name, axis=1))

    def top(self, x: str, number: str, name: str) -> str:
        """Adds a node that finds the largest values along the last axis, the largest first; returns their places."""
        outputs = [f"{name}:values", name]
        self.nodes.append(self.onnx.helper.make_node("TopK", [x, number], outputs, name=name))
        return name

    def constant(self, name: str, value: Array) -> str:
        """Adds a constant. The same name may be added again with the same value."""
        if self._outer is not None and name.startswith(SHARED):
            return self._outer.constant(name, value)
        value = np.asarray(value, order="C")
        known = self.constants.setdefault(name, value)
        assert known is value or np.array_equal(known, value), f"two constants are named {name}"
        return name

    def inputs(self, step: Operation, shaped: Shaped) -> list[str]:
        """The tensors that an operation reads; of integers the bytes, where it makes integers of integers."""
        if shaped == "alike":
            shaped = "image" if len({self.made[name] in self.flat for name in step.inputs}) > 1 else ""
        as_integers = step.range is not None and not isinstance(step, ops.Quantize)
        return [self.read(name, shaped, as_integers) for name in step.inputs]

    def read(self, value: str, shaped: Shaped = "", as_integers: bool = False) -> str:
        """The tensor that a value is. Integers are dequantized, unless as_integers."""
        range_, prefix = self.operations.range(value), f"{self.name}:" if self.name else ""
        if self._outer is not None and value not in self.own:
            name = self._outer.read(value, shaped, as_integers=True)  # bytes cross the border
            self.flat |= self._outer.flat
            return self._floats(value, name, f"{prefix}{name}:floats", range_, as_integers)
        name, floats = self.made[value], f"{prefix}{value}:floats"
        if shaped == "vector" and name not in self.flat:
            name, floats = f"{name}:flat", f"{floats}:flat"
            if name not in self._names:
                self.node("Flatten", [self.made[value]], name, axis=1)
                self.flat.add(name)
        elif shaped == "image" and name in self.flat:
            name, floats = f"{name}:image", f"{floats}:image"
            if name not in self._names:
                shape = self.constant("constant:as_map", np.array([0, -1, 1, 1], np.int64))
                self.node("Reshape", [self.made[value], shape], name)
        return self._floats(value, name, floats, range_, as_integers)

    def _floats(self, value: str, name: str, floats: str, range_: Range | None, as_integers: bool) -> str:
        """A tensor as what is asked for; floats: its name as floats."""
        if range_ is None or as_integers:
            return name
        if floats not in self._names:
            constants = f"{self.name}:{value}" if self.name else value
            self.node("DequantizeLinear", [name, *self.scale_and_zero_point(range_, constants)], floats)
            self.like(name, floats)
        return floats

    def like(self, source: str, made: str) -> str:
        """Notes that a tensor is as flat as the one that it is made of."""
        if source in self.flat:
            self.flat.add(made)
        return made

    def rename(self, tensor: str, name: str) -> None:
        """Gives a tensor another name."""
        self.renamed[tensor] = name
        self.made = {value: name if made == tensor else made for value, made in self.made.items()}
        self.like(tensor, name)
        for node in with_bodies(self.nodes):
            for names in (node.input, node.output):
                names[:] = [name if each == tensor else each for each in names]

    def scale_and_zero_point(self, range_: Range, name: str) -> list[str]:
        """A range as constants."""
        return [
            self.constant(f"{name}:step", np.array(range_.scale, np.float32)),
            self.constant(f"{name}:zero", np.array(range_.zero_point, np.uint8)),
        ]

    def filters(self, step: ops.Convolve | ops.ConvolveTransposed | ops.FullyConnect) -> list[str]:
        """Weights and biases, in the type that they are stored in; ONNX has the inputs of a transposed convolution
        first."""
        filters, path = step.filters, step.layer
        axis = int(isinstance(step, ops.ConvolveTransposed))
        weight = filters.weight.swapaxes(0, axis)
        name, bias = f"{path}:weight", f"{path}:bias"
        if filters.scales is not None:
            made = [self._integers(name, weight, filters.scales, axis)]
            if filters.bias is not None and filters.bias_scales is not None:
                made.append(self._integers(bias, filters.bias, filters.bias_scales))
            return made
        if self.stored_as != "float32":
            stored = self.constant(f"{name}:half", weight.astype(half_dtype(self.stored_as)))
            self.node("Cast", [stored], name, to=self.onnx.TensorProto.FLOAT)
        else:
            self.constant(name, weight)
        return [name] if filters.bias is None else [name, self.constant(bias, filters.bias)]

    def _integers(self, name: str, integers: Array, scales: Array, axis: int = 0) -> str:
        inputs = [
            self.constant(f"{name}:whole", integers),
            self.constant(f"{name}:scale", scales.astype(np.float32)),
            self.constant(f"{name}:zero", np.zeros(len(scales), integers.dtype)),
        ]
        return self.node("DequantizeLinear", inputs, name, axis=axis)
