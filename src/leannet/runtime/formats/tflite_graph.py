"""The tensors and operators of a LiteRT file while it is written."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leannet.rows import INPUT, Shape
from leannet.runtime.folding import pads_of
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Array, Body, Range
from leannet.runtime.tflite_file import Operator, Subgraph, Tensor

SAME, VALID = 0, 1
FUSED: dict[str, int] = {"linear": 0, "relu": 1, "relu6": 3}
# The first version of each operation that knows integers; of the others the first one does.
VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "MUL": 2, "AVERAGE_POOL_2D": 2,
    "MAX_POOL_2D": 2, "CONCATENATION": 2, "LOGISTIC": 2, "TANH": 2, "MEAN": 2, "PAD": 2, "PADV2": 2,
    "SLICE": 2, "TRANSPOSE": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "GELU": 2,
}  # fmt: skip


class TfliteGraph:
    """Tensors and operators. A tensor is known by its index."""

    def __init__(self, operations: Operations):
        self.operations = operations
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.outputs: list[int] = []
        self.bodies: list[Subgraph] = []  # of branches, in the order of their numbers, from 1
        self.made: dict[str, int] = {}  # value -> its tensor
        self.parts: dict[str, dict[str, int]] = {}  # of what finds boxes, the tensor of each part
        self.input = self.value(INPUT)

    def value(self, name: str) -> int:
        """The tensor of a value that comes from outside."""
        tensor, range_ = self._tensor(name, nhwc(self.operations.shape(name))), self.operations.range(name)
        if range_ is not None:
            self.integers(tensor, range_)
        self.made[name] = tensor
        return tensor

    @property
    def subgraph(self) -> Subgraph:
        """The network's own."""
        return Subgraph(self.operations.name, self.tensors, self.operators, [self.input], self.outputs)

    def body(self, name: str, inputs: Sequence[str], body: Body, spell: Callable[..., int]) -> int:
        """A side of a branch, as a subgraph that reads these values. Returns its number.

        spell: what writes an operation into a graph.
        """
        inner = TfliteGraph(replace(self.operations, steps=(*self.operations, *body.steps)))
        inner.tensors, inner.made, inner.bodies = [], {}, self.bodies
        read = [inner.value(each) for each in inputs]
        for step in body.steps:
            inner.made[step.name] = spell(inner, step, *(inner.made[each] for each in step.inputs))
        made = inner.made[body.value]
        if made in read:  # what a subgraph gives is none of what it reads
            made = inner.reshape(made, f"{name}:as_it_is", inner.shape(made))
        self.bodies.append(Subgraph(name, inner.tensors, inner.operators, read, [made]))
        return len(self.bodies)

    def output(self, name: str, value: str) -> int:
        """A value as it leaves the network."""
        dims = self.operations.dims(value)
        shape = nhwc(self.operations.shape(value)) if len(dims) == 3 else (1, *dims)
        return self.reshape(self.made[value], f"{name}:0", shape)

    def _tensor(self, name: str, shape: Sequence[int]) -> int:
        self.tensors.append(Tensor(name, tuple(shape)))
        return len(self.tensors) - 1

    def constant(self, name: str, value: Array) -> int:
        """A constant, float32 or int32, or of 8 bits as it is."""
        data = np.asarray(value)
        if data.dtype != np.int8:
            data = data.astype(np.int32 if data.dtype.kind == "i" else np.float32)
        self.tensors.append(Tensor(name, data.shape, data))
        return len(self.tensors) - 1

    def integers(self, tensor: int, range_: Range) -> int:
        """Makes a tensor 8-bit integers of a range, which are signed here."""
        made = self.tensors[tensor]
        made.dtype = "int8"
        made.scales, made.zero_points = np.array([range_.scale]), np.array([range_.zero_point - 128])
        return tensor

    def op(
        self, kind: str, inputs: Sequence[int], name: str, shape: Sequence[int], options: str = "", version: int = 1,
        range_: Range | None = None, **fields: Any,
    ) -> int:  # fmt: skip
        """Adds an operation; its output has this name and shape, and is of integers where it has a range."""
        if range_ is not None:
            version = max(version, VERSIONS.get(kind, 1))
            if kind == "TRANSPOSE" and len(shape) > 4:
                version = 4
            if kind == "MUL" and self._scale(inputs[0]) * self._scale(inputs[1]) >= range_.scale:
                version = 3
        output = self._tensor(name, shape)
        self.operators.append(Operator(kind, list(inputs), [output], options, fields, version))
        return output if range_ is None else self.integers(output, range_)

    def _scale(self, tensor: int) -> float:
        scales = self.tensors[tensor].scales
        assert scales is not None
        return float(scales[0])

    def range(self, tensor: int) -> Range | None:
        """Of a tensor of integers that has one scale."""
        made = self.tensors[tensor]
        if made.scales is None or made.zero_points is None:
            return None
        return Range(float(made.scales[0]), int(made.zero_points[0]) + 128)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Of a tensor."""
        return self.tensors[tensor].shape

    # What several operations need

    def reshape(self, x: int, name: str, shape: Sequence[int]) -> int:
        """The same values in another shape."""
        new_shape = self.constant(f"{name}:shape", np.array((-1, *shape[1:]), np.int32))
        made = self.op(
            "RESHAPE", [x, new_shape], name, shape, "ReshapeOptions", range_=self.range(x), NewShape=(-1, *shape[1:])
        )
        self.tensors[made].dtype = self.tensors[x].dtype
        return made

    def pad(self, x: int, name: str, pads: Sequence[int], lowest: bool = False) -> int:
        """pads: above, left, below, right, of zeros, or of the lowest value there is."""
        top, left, bottom, right = pads
        n, h, w, c = self.shape(x)
        around = self.constant(f"{name}:around", np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
        shape, range_ = (n, h + top + bottom, w + left + right, c), self.range(x)
        if not lowest:
            return self.op("PAD", [x, around], name, shape, "PadOptions", range_=range_)
        if range_ is None:
            fill = self.constant(f"{name}:fill", np.array([np.finfo(np.float32).min], np.float32))
        else:
            fill = self.integers(self.constant(f"{name}:fill", np.array([-128], np.int8)), range_)
        return self.op("PADV2", [x, around, fill], name, shape, "PadV2Options", range_=range_)

    def window(
        self, x: int, path: str, shape: Shape, sides: Sequence[int], stride: int, pads: Sequence[int],
        lowest: bool = False,
    ) -> tuple[int, int]:  # fmt: skip
        """What a window reads, padded before where LiteRT's rules do not pad so, and the rule that it pads by."""
        if not any(pads):
            return x, VALID
        if is_same_padding(shape, sides, stride, pads):
            return x, SAME
        return self.pad(x, f"{path}:pad", pads, lowest), VALID

    def slice(self, x: int, name: str, begin: Sequence[int], shape: Sequence[int]) -> int:
        """A part of a tensor."""
        first = self.constant(f"{name}:begin", np.array(begin, np.int32))
        size = self.constant(f"{name}:size", np.array((-1, *shape[1:]), np.int32))
        return self.op("SLICE", [x, first, size], name, shape, "SliceOptions", range_=self.range(x))

    def top(self, x: int, name: str, number: int) -> int:
        """The places of the largest values along the last axis, the largest first."""
        shape = (*self.shape(x)[:-1], number)
        values, places = self._tensor(f"{name}:values", shape), self._tensor(name, shape)
        self.tensors[places].dtype = "int32"
        inputs = [x, self.constant(f"{name}:number", np.array(number, np.int32))]
        self.operators.append(Operator("TOPK_V2", inputs, [values, places], "TopKV2Options"))
        return places

    def transpose(self, x: int, name: str, order: Sequence[int]) -> int:
        """A tensor with its axes in another order."""
        shape = tuple(self.shape(x)[axis] for axis in order)
        axes = self.constant(f"{name}:order", np.array(order, np.int32))
        return self.op("TRANSPOSE", [x, axes], name, shape, "TransposeOptions", range_=self.range(x))

    def integer_constant(self, name: str, integers: Array, scales: Array, axis: int) -> int:
        """Integers with a scale for each place along an axis, symmetric around 0."""
        index = self.constant(name, np.ascontiguousarray(integers))
        self.tensors[index] = replace(
            self.tensors[index], scales=scales, zero_points=np.zeros(len(scales), np.int64), axis=axis
        )
        return index


def is_same_padding(shape: Shape, sides: Sequence[int], stride: int, pads: Sequence[int]) -> bool:
    """Whether pads (above, left, below, right) are those of TensorFlow's "same" rule."""
    return list(pads) == pads_of(shape, sides, stride, "same")


def nhwc(shape: Shape) -> tuple[int, int, int, int]:
    """The shape as LiteRT has it, for one image."""
    return 1, shape.height, shape.width, shape.channels
