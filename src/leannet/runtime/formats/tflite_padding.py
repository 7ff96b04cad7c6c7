"""Padding without an operation of its own, for memories in which a map and its padded copy do not fit side by side.

LiteRT's convolutions pad by TensorFlow's "same" rule alone, which before a stride of 2 adds a row of zeros below and
none above where torch adds one on each side. A filter with a row and a column of zeros more has other needs: of a map
of 96 x 96 pixels, filters of 4 x 4 have one zero on each side by the same rule, and see what those of 3 x 3 saw. It
costs the larger filter's mult-adds.
"""

from dataclasses import replace

import numpy as np

from leannet.rows import Shape, pad_before_after
from leannet.runtime.formats.tflite_graph import is_same_padding
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Array, Convolve, Filters, Operation

LARGER = 2  # pixels by which filters may grow, in height and width


def padded_inside(operations: Operations) -> Operations:
    """The same, where filters that grow by a row and a column need no operation that pads."""
    return replace(operations, steps=tuple(_grown(step, operations) for step in operations))


def pads_apart(operations: Operations) -> list[Convolve]:
    """The convolutions in front of which an operation of its own pads."""
    return [step for step in operations if isinstance(step, Convolve) and _pads_apart(step, operations)]


def _pads_apart(step: Convolve, operations: Operations) -> bool:
    shape = operations.shape(step.inputs[0])
    return any(step.pads) and not is_same_padding(shape, step.sides, step.stride, step.pads)


def _grown(step: Operation, operations: Operations) -> Operation:
    if not isinstance(step, Convolve) or not _pads_apart(step, operations):
        return step
    shape = operations.shape(step.inputs[0])
    for more in range(1, LARGER + 1):
        if (grown := _larger(step, shape, more)) is not None:
            return grown
    return step


def _larger(step: Convolve, shape: Shape, more: int) -> Convolve | None:
    """The convolution with filters so much larger and the padding of the "same" rule; None: that sees other pixels."""
    zeros, pads = [], []
    for size, before, length, side in zip(shape[1:], step.pads[:2], step.shape[1:], step.sides, strict=True):
        above, below = pad_before_after(size, side + more, step.stride, "same")
        first = above - before  # rows of zeros that the filter begins with
        if not 0 <= first <= more or -(-size // step.stride) != length:
            return None
        zeros.append((first, more - first))
        pads.append((above, below))
    (top, bottom), (left, right) = pads
    filters = step.filters
    weight: Array = np.pad(filters.weight, ((0, 0), (0, 0), *zeros))
    larger = Filters(weight, filters.bias, filters.scales, filters.bias_scales)
    return replace(step, filters=larger, pads=(top, left, bottom, right))
