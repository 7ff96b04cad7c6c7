"""Operations in numpy, slowly and plainly: what every format's answers are compared with."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from leannet.rows import INPUT, Shape
from leannet.runtime import operations as ops
from leannet.runtime.finding import found_part, top_boxes
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Array, Operation

ACTIVATIONS: dict[str, Any] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "swish": lambda x: x / (1 + np.exp(-x)),
    "h_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "h_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2,
}


def run(operations: Operations, x: Array) -> dict[str, Array]:
    """Every value, (N, C, H, W) in float64, by name; of integers what they stand for.

    x: (N, C, H, W), or images (N, height, width, C) of the network's size, where the operations begin with images.
    """
    return run_from(operations, {INPUT: np.asarray(x, np.float64)})


def run_from(operations: Operations, known: Mapping[str, Array]) -> dict[str, Array]:
    """The same from values that are known, (N, C, H, W) by name."""
    values, integers = dict(known), dict[str, Array]()
    for step in operations:
        read = [values[name] for name in step.inputs] or [values[INPUT]]
        if isinstance(step, ops.Reread):
            made = integers[step.inputs[0]]
        elif isinstance(step, ops.Constant):
            made = step.value[None]
        else:
            made = _computed(step, read, operations)
            made = made if step.range is None else step.range.quantize(made)
        if step.range is not None:
            integers[step.name], made = made, step.range.dequantize(made)
        values[step.name] = made
    return values


def outputs(operations: Operations, x: Array) -> list[Array]:
    """What leaves the network: a vector as (N, C)."""
    values = run(operations, x)
    return [output(operations, value, values[value]) for value in operations.outputs.values()]


def output(operations: Operations, name: str, value: Array) -> Array:
    """A value (N, C, H, W) as it leaves a network: a vector as (N, C)."""
    return value.reshape(len(value), *operations.dims(name))


def _computed(step: Operation, read: list[Array], operations: Operations) -> Array:
    x = read[0]
    match step:
        case ops.Images():
            if not step.sized:
                raise ValueError("the reference does not resize")
            pixels = x.transpose(0, 3, 1, 2) * step.preprocessing.scale
            mean, std = (np.array(each)[:, None, None] for each in (step.preprocessing.mean, step.preprocessing.std))
            return (pixels - mean) / std
        case ops.Convolve():
            return ACTIVATIONS[step.activation](_convolved(step, x))
        case ops.ConvolveTransposed():
            return ACTIVATIONS[step.activation](_convolved_transposed(step, x))
        case ops.FullyConnect():
            weight, bias = step.filters.floats
            return ACTIVATIONS[step.activation]((x.reshape(len(x), -1) @ weight.T + bias)[:, :, None, None])
        case ops.Pool():
            shape, best = operations.shape(step.inputs[0]), step.op == "max"
            found = _windows(x, (step.kernel, step.kernel), step.stride, step.pads, -np.inf if best else 0.0)
            return found.max((-2, -1)) if best else found.sum((-2, -1)) / step.pixels_in_windows(shape)
        case ops.MeanOfParts():
            return _means(x, step.size)
        case ops.Sum():
            return ACTIVATIONS[step.activation](read[0] + read[1])
        case ops.Multiply():
            return read[0] * read[1]
        case ops.Scale():
            return x * step.scale[:, None, None] + step.shift[:, None, None]
        case ops.Activate():
            return ACTIVATIONS[step.kind](x)
        case ops.Concatenate():
            return np.concatenate(read, axis=1)
        case ops.Shift():
            return np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))[:, :, 1:, 1:]
        case ops.Softmax():
            powers = np.exp(x - x.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)
        case ops.Largest():
            return x.max(axis=1, keepdims=True)
        case ops.Decide():
            return (x > step.threshold).astype(np.float64)
        case ops.Choose():
            return np.where(read[2] == 1, read[0], read[1])
        case ops.TopBoxes():
            return top_boxes(step, read)
        case ops.FoundPart():
            return found_part(x, step.part)
        case ops.Zeros():
            return np.zeros((len(x), *step.shape))
        case ops.LocalResponse():
            before, after = step.size // 2, (step.size - 1) // 2
            squares = np.pad(np.square(x), ((0, 0), (before, after), (0, 0), (0, 0)))
            sums = sliding_window_view(squares, step.size, axis=1).sum(-1)
            return x / (step.k + step.alpha / step.size * sums) ** step.beta
        case ops.Quantize() | ops.Dequantize() | ops.Open():
            return x
    return _copied(step, x)


def _copied(step: Operation, x: Array) -> Array:
    number, shape = len(x), Shape(*x.shape[1:])
    match step:
        case ops.Flatten():
            return x.reshape(number, -1, 1, 1)
        case ops.Shuffle():
            grouped = x.reshape(number, step.groups, shape.channels // step.groups, *shape[1:])
            return grouped.swapaxes(1, 2).reshape(x.shape)
        case ops.Slice():
            return x[:, step.start : step.start + step.shape.channels]
        case ops.Upsample():
            down, across = (
                np.arange(after) * before // after for after, before in zip(step.shape[1:], shape[1:], strict=True)
            )
            return x[:, :, down][:, :, :, across]
    raise TypeError(f"no reference for {type(step).__name__}")


def _windows(x: Array, sides: tuple[int, int], stride: int, pads: tuple[int, int, int, int], fill: float) -> Array:
    """(N, C, H', W', *sides)."""
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    return sliding_window_view(padded, sides, axis=(2, 3))[:, :, ::stride, ::stride]


def _convolved(step: ops.Convolve, x: Array) -> Array:
    weight, bias = step.filters.floats
    found = _windows(x, step.sides, step.stride, step.pads, 0.0)
    grouped = found.reshape(len(x), step.groups, -1, *found.shape[2:])
    filters = weight.reshape(step.groups, -1, *weight.shape[1:])
    made = np.einsum("ngchwij,gocij->ngohw", grouped, filters, optimize=True)
    return made.reshape(len(x), len(weight), *made.shape[3:]) + bias[:, None, None]


def _convolved_transposed(step: ops.ConvolveTransposed, x: Array) -> Array:
    weight, bias = step.filters.floats
    stride, (number, _, height, width) = step.stride, x.shape
    made = np.zeros((number, len(weight), *((size - 1) * stride + step.kernel for size in (height, width))))
    for down, across in np.ndindex(step.kernel, step.kernel):
        part = np.einsum("nchw,oc->nohw", x, weight[:, :, down, across], optimize=True)
        made[:, :, down : down + height * stride : stride, across : across + width * stride : stride] += part
    high, wide = (slice(step.cut, size - step.cut) for size in made.shape[2:])
    return made[:, :, high, wide] + bias[:, None, None]


def _means(x: Array, parts: int) -> Array:
    """Of parts that overlap where they do not divide the map."""
    rows, columns = (
        [slice(part * length // parts, -(-(part + 1) * length // parts)) for part in range(parts)]
        for length in x.shape[2:]
    )
    return np.stack([np.stack([x[:, :, down, across].mean((2, 3)) for across in columns], -1) for down in rows], 2)
