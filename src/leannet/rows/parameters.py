"""What each layer stores: names, shapes and what their axes are. No torch.

Counting, loading, folding, pruning and every map of names from other libraries read it here.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from leannet.rows.graph import Node
from leannet.rows.layers import Conv, Depthwise, Linear, Normalize, TransposedConv

Axis = Literal["out", "in", ""]


@dataclass(frozen=True)
class Parameter:
    """A tensor that a layer stores.

    kind: weight and bias of a convolution or a fully connected layer; scale and shift of a normalization, and its
    statistics, which are measured and not learned.
    """

    name: str  # behind the layer's path: "conv.weight"
    kind: Literal["weight", "bias", "norm", "statistics"]
    shape: tuple[int, ...]
    axes: tuple[Axis, ...]  # of each dimension: channels of the output, of the input (of one group), or neither

    @property
    def learned(self) -> bool:
        """Whether training changes it by its gradient, so that it counts as a parameter of the network."""
        return self.kind != "statistics"

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def parameters(node: Node) -> tuple[Parameter, ...]:
    """What a layer stores, in the order of its state; () for one without weights, and for a block.

    A layer that shares the weights of another has the same ones, under that one's path. The columns of a fully
    connected layer are the values of its input in (C, H, W) order.
    """
    row, out = node.row, node.out_shape.channels
    match row:
        case Conv():
            in_channels = node.in_shapes[0].channels // row.groups
            weight = Parameter("conv.weight", "weight", (out, in_channels, *row.sides), ("out", "in", "", ""))
            return (weight, *_bias("conv", out, row.bias), *_norm(out, row.norm is not None))
        case TransposedConv():
            shape = (node.in_shapes[0].channels, out, row.kernel, row.kernel)
            weight = Parameter("conv.weight", "weight", shape, ("in", "out", "", ""))
            return (weight, *_bias("conv", out, row.bias), *_norm(out, row.norm is not None))
        case Depthwise():
            weight = Parameter("conv.weight", "weight", (out, 1, *row.sides), ("out", "", "", ""))
            return (weight, *_bias("conv", out, row.bias), *_norm(out, row.norm is not None))
        case Linear():
            weight = Parameter("linear.weight", "weight", (out, node.in_shapes[0].elements), ("out", "in"))
            return (weight, *_bias("linear", out, row.bias))
        case Normalize():
            return tuple(_norm(out, True))
    return ()


def uses(node: Node) -> int:
    """How many times an image uses each weight of a layer: once a pixel of its output, or of what a transposed
    convolution reads."""
    shape = node.in_shapes[0] if isinstance(node.row, TransposedConv) else node.out_shape
    return shape.height * shape.width


def _bias(module: str, channels: int, has_bias: bool) -> Iterator[Parameter]:
    if has_bias:
        yield Parameter(f"{module}.bias", "bias", (channels,), ("out",))


def _norm(channels: int, has_norm: bool) -> Iterator[Parameter]:
    if has_norm:
        yield Parameter("norm.weight", "norm", (channels,), ("out",))
        yield Parameter("norm.bias", "norm", (channels,), ("out",))
        yield Parameter("norm.running_mean", "statistics", (channels,), ("out",))
        yield Parameter("norm.running_var", "statistics", (channels,), ("out",))
        yield Parameter("norm.num_batches_tracked", "statistics", (), ())
