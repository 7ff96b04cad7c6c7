"""Weights as runtimes want them: batch norm folded into filters, and padding as zeros on each side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leannet import rows
from leannet.rows import Node, Norm, Shape, pad_before_after

Array = NDArray[Any]
Weights = Mapping[str, Array]


def weight_of(weights: Weights, node: Node, name: str) -> Array:
    """A layer's tensor of that name; of the layer whose weights it shares, where it does."""
    return weights[f"{node.shares or node.path}.{name}"]


def scale_and_shift(weights: Weights, node: Node, norm: Norm) -> tuple[Array, Array]:
    """Batch norm in evaluation as x * scale + shift, worked out in float64."""
    names = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (weight_of(weights, node, f"norm.{name}").astype(np.float64) for name in names)
    scale = weight / np.sqrt(variance + norm.eps)
    return scale.astype(np.float32), (bias - mean * scale).astype(np.float32)


def folded(weights: Weights, node: Node) -> tuple[Array, Array]:
    """The filters (C', C / groups, K, K) and biases (C',) of a convolution, batch norm folded in."""
    layer = node.row
    assert isinstance(layer, rows.Conv | rows.Depthwise | rows.TransposedConv)
    weight = weight_of(weights, node, "conv.weight").astype(np.float64)
    if isinstance(layer, rows.TransposedConv):
        weight = weight.swapaxes(0, 1)
    bias = weight_of(weights, node, "conv.bias").astype(np.float64) if layer.bias else np.zeros(len(weight))
    if layer.norm is not None:
        scale, shift = scale_and_shift(weights, node, layer.norm)
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    return weight.astype(np.float32), bias.astype(np.float32)


def pads_of(shape: Shape, sides: Sequence[int], stride: int, padding: rows.Padding) -> list[int]:
    """Zeros above, left, below and right. sides: height and width of the window."""
    (top, bottom), (left, right) = (
        pad_before_after(size, side, stride, padding) for size, side in zip(shape[1:], sides, strict=True)
    )
    return [top, left, bottom, right]


def pool_pads(layer: rows.Pool, shape: Shape, out: Shape) -> list[int]:
    """The same of a pooling layer, whose last window may end beyond the map."""
    pads = pads_of(shape, [layer.kernel] * 2, layer.stride, layer.padding)
    for axis, (size, length) in enumerate(zip(shape[1:], out[1:], strict=True)):
        needed = (length - 1) * layer.stride + layer.kernel - size - pads[axis]
        pads[axis + 2] = max(pads[axis + 2], needed)
    return pads
