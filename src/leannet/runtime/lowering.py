"""Rows lowered to operations: what every format is written from, with weights or without.

Nothing is traced, since the rows say all that a tracer would have to find out.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from leannet import rows
from leannet.preprocessing import Preprocessing
from leannet.rows import INPUT, Activation, Architecture, Node, Shape, parameters
from leannet.runtime import operations as ops
from leannet.runtime.branching import mixture
from leannet.runtime.detours import without_detours
from leannet.runtime.folding import Weights, folded, pads_of, pool_pads, scale_and_shift, weight_of
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import BEFORE, Array, Filters, Operation


def lower(
    architecture: Architecture, weights: Weights | None = None, images: Preprocessing | None = None, sized: bool = False
) -> Operations:
    """The operations of a network in evaluation.

    weights: its state by name, as numpy arrays; None: only shapes are asked for, and filters are zeros that take no
    memory. images: it takes uint8 images of any size, and does the last of the resizing, the scaling and the
    normalization itself. sized: they have the network's size.
    """
    steps: list[Operation] = []
    if images is not None:
        shape = architecture.input.shape
        steps.append(ops.Images(name=INPUT, inputs=(), layer=INPUT, shape=shape, preprocessing=images, sized=sized))
    values = {INPUT: INPUT}  # path of a layer -> the value that it is
    made: dict[str, Operation] = {}
    for node in architecture.layers:
        inputs, row = tuple(values[name] for name in node.inputs), node.row
        if isinstance(row, rows.Dropout) or (isinstance(row, rows.Activate) and row.activation == "linear"):
            values[node.path] = inputs[0]
            continue
        is_choice = isinstance(row, rows.Choose) and isinstance(made[inputs[2]], ops.Decide)
        lowered = [_chosen(node, inputs)] if is_choice else list(_lowered(node, inputs, weights))
        steps += lowered
        made[node.path] = lowered[-1]
        values[node.path] = node.path
    outputs: dict[str, str] = {}
    for name in architecture.output_names:
        value = values[architecture.made_by[name]]
        if isinstance(found := made.get(value), ops.TopBoxes):
            steps += (parts := _parts(found))
            outputs |= {part.part: part.name for part in parts}
        else:
            outputs[name] = value
    direct = without_detours(steps, outputs.values(), architecture.input.shape)
    return Operations(architecture.name, architecture.input.shape, direct, outputs)


def _parts(found: ops.TopBoxes) -> list[ops.FoundPart]:
    """Boxes, scores and classes, each an output."""
    shapes: dict[ops.Part, Shape] = {"boxes": Shape(found.of_all, 4, 1)}
    one = Shape(found.of_all, 1, 1)
    return [
        ops.FoundPart(
            name=f"{found.name}:{part}", inputs=(found.name,), layer=found.layer, shape=shapes.get(part, one), part=part
        )
        for part in ops.PARTS
    ]


def _chosen(node: Node, inputs: tuple[str, ...]) -> Operation:
    return ops.Choose(name=node.path, inputs=inputs, layer=node.path, shape=node.out_shape)


def _lowered(node: Node, inputs: tuple[str, ...], weights: Weights | None) -> Iterator[Operation]:
    """The operations of a layer; the last has its path as its name."""
    row, path, shape, out = node.row, node.path, node.in_shapes[0], node.out_shape
    common: dict[str, Any] = {"layer": path, "shape": out}
    whole: dict[str, Any] = {"name": path, "inputs": inputs, **common}
    match row:
        case rows.Conv() | rows.Depthwise():
            groups = shape.channels if isinstance(row, rows.Depthwise) else row.groups
            filters, pads = _filters(node, weights), _pads(pads_of(shape, row.sides, row.stride, row.padding))
            yield from _activated(
                row.activation, ops.Convolve, filters=filters, stride=row.stride, pads=pads, groups=groups, **whole
            )
        case rows.TransposedConv():
            yield from _activated(
                row.activation, ops.ConvolveTransposed, filters=_filters(node, weights), stride=row.stride, cut=row.cut,
                **whole,
            )  # fmt: skip
        case rows.Linear():
            yield from _activated(row.activation, ops.FullyConnect, filters=_filters(node, weights), **whole)
        case rows.Add():
            total, last = inputs[0], inputs[-1]
            for number, other in enumerate(inputs[1:] if row.average else inputs[1:-1]):
                yield ops.Sum(name=f"{path}:sum_{number}", inputs=(total, other), **common)
                total = f"{path}:sum_{number}"
            if row.average:
                share = np.full(out.channels, 1 / len(inputs), np.float32)
                scaled: dict[str, Any] = {"scale": share, "shift": np.zeros_like(share)}
                yield from _activated(row.activation, ops.Scale, **scaled, **{**whole, "inputs": (total,)})
            else:
                yield from _activated(row.activation, ops.Sum, **{**whole, "inputs": (total, last)})
        case rows.Pool():
            pads = _pads(pool_pads(row, shape, out))
            yield ops.Pool(op=row.op, kernel=row.kernel, stride=row.stride, pads=pads, **whole)
        case rows.Normalize():
            scale, shift = (zeros(shape[:1]),) * 2 if weights is None else scale_and_shift(weights, node, row.norm)
            yield ops.Scale(scale=scale, shift=shift, **whole)
        case rows.LocalResponse():
            yield ops.LocalResponse(size=row.size, alpha=row.alpha, beta=row.beta, k=row.k, **whole)
        case rows.Activate():
            yield ops.Activate(kind=row.activation, **whole)
        case rows.GlobalPool():
            yield ops.MeanOfParts(size=row.size, **whole)
        case rows.Shuffle():
            yield ops.Shuffle(groups=row.groups, **whole)
        case rows.Slice():
            yield ops.Slice(start=row.start, **whole)
        case rows.Upsample():
            yield ops.Upsample(factor=row.factor, **whole)
        case rows.Resize():
            factor = out.height // shape.height
            exact = out == Shape(shape.channels, factor * shape.height, factor * shape.width)
            yield ops.Upsample(factor=factor if exact else None, **{**whole, "inputs": inputs[:1]})
        case rows.Multiply():
            yield ops.Multiply(**whole)
        case rows.Concat():
            yield ops.Concatenate(**whole)
        case rows.Flatten():
            yield ops.Flatten(**whole)
        case rows.Shift():
            yield ops.Shift(**whole)
        case rows.Softmax():
            yield ops.Softmax(**whole)
        case rows.Largest():
            yield ops.Largest(**whole)
        case rows.Decide():
            yield ops.Decide(threshold=row.threshold, **whole)
        case rows.Zeros():
            yield ops.Zeros(**whole)
        case rows.TopBoxes():
            units = tuple(1 if row.unit == "pixel" else stride for stride in row.strides)
            places, _ = row.numbers(node.in_shapes)
            yield ops.TopBoxes(strides=row.strides, units=units, places=places, **whole)
        case rows.Choose():
            yield from mixture(ops.Choose(**whole))
        case _:
            raise TypeError(f"no operation for a row of kind {type(row).__name__}")


def zeros(shape: tuple[int, ...]) -> Array:
    """Of a shape, in no memory."""
    return np.broadcast_to(np.float32(0), shape)


def _filters(node: Node, weights: Weights | None) -> Filters:
    """Of a layer, batch norm folded in."""
    row = node.row
    if weights is None:
        shape, out = parameters(node)[0].shape, node.out_shape.channels
        shape = (out, shape[0], *shape[2:]) if isinstance(row, rows.TransposedConv) else shape
        return Filters(zeros(shape), zeros((out,)))
    if isinstance(row, rows.Linear):
        bias = weight_of(weights, node, "linear.bias") if row.bias else None
        return Filters(weight_of(weights, node, "linear.weight"), bias)
    return Filters(*folded(weights, node))


def _activated(
    activation: Activation, kind: Callable[..., Operation], *, name: str, layer: str, shape: Shape, **fields: Any
) -> Iterator[Operation]:
    """An operation and the activation function behind it, if any."""
    if activation == "linear":
        yield kind(name=name, layer=layer, shape=shape, **fields)
    else:
        before = f"{name}{BEFORE}"
        yield kind(name=before, layer=layer, shape=shape, **fields)
        yield ops.Activate(name=name, inputs=(before,), layer=layer, shape=shape, kind=activation)


def _pads(pads: list[int]) -> tuple[int, int, int, int]:
    top, left, bottom, right = pads
    return top, left, bottom, right
