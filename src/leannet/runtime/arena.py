"""The memory of activations on a microcontroller, as TensorFlow Lite Micro's own planner lays it out.

All values of a network lie in one block of memory, the arena, each from the operator that makes it to the last that
reads it. Its GreedyMemoryPlanner (tensorflow/lite/micro/memory_planner, Apache-2.0) places the largest first, each at
the lowest place where nothing lies that is needed at the same time. That is not always the least that would do: what is
alive at once is a lower bound, and by up to a third too low.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leannet.runtime.formats.tflite_graph import TfliteGraph
from leannet.runtime.tflite_file import Operator, Tensor

ALIGNMENT = 16  # bytes; each value begins at a multiple of it
BYTES = {"float32": 4, "int32": 4, "int8": 1, "uint8": 1, "bool": 1}
# Sizes of what the interpreter keeps beside the arena's values, on a processor of 32 bits: the structures of
# tensorflow/lite/c/common.h and of its kernels.
TENSOR_BYTES, OPERATOR_BYTES, INTERPRETER_BYTES = 12, 128, 1024
WITH_FILTERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")


@dataclass(frozen=True)
class Buffer:
    """A value in the arena. first, last: the operators, by number, from which and up to which it is needed; the
    network's input is there before the first, which has the number 1."""

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Where each value lies. bytes: of the whole arena. live: the most that is needed at once, at operator `peak`."""

    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]
    bytes: int
    live: int
    peak: int


def plan(graph: TfliteGraph) -> Plan:
    """The plan of a network's values."""
    buffers = [*values(graph.tensors, graph.operators, graph.input, graph.outputs), *_scratch(graph)]
    offsets = placed(buffers)
    at = {time: sum(each.size for each in buffers if each.first <= time <= each.last)
          for time in range(len(graph.operators) + 1)}  # fmt: skip
    peak = max(at, key=lambda time: at[time])
    most = max((offset + each.size for offset, each in zip(offsets, buffers, strict=True)), default=0)
    return Plan(tuple(buffers), tuple(offsets), most, at[peak], peak)


def values(
    tensors: Sequence[Tensor], operators: Sequence[Operator], input: int, outputs: Sequence[int]
) -> list[Buffer]:
    """What operators make and read, and the network's input, in the order of the file."""
    first, last = {input: 0}, {input: 0}
    for number, operator in enumerate(operators, start=1):
        for index in operator.outputs:
            first[index] = last[index] = number
        last.update((index, number) for index in operator.inputs if index in first)
    last.update((index, len(operators)) for index in outputs)
    return [Buffer(tensors[index].name, _size(tensors[index]), first[index], last[index]) for index in sorted(first)]


def placed(buffers: Sequence[Buffer]) -> list[int]:
    """Where each begins: the largest first, of equal ones the later, each at the lowest place that is free for it."""
    offsets: dict[int, int] = {}
    order = sorted(range(len(buffers)), key=lambda index: (-buffers[index].size, -index))
    for index in order:
        wanted = buffers[index]
        at_the_same_time = sorted(
            (offset, buffers[other].size)
            for other, offset in offsets.items()
            if buffers[other].first <= wanted.last and wanted.first <= buffers[other].last
        )
        place = 0
        for offset, size in at_the_same_time:
            if offset - place >= wanted.size:
                break
            place = max(place, offset + size)
        offsets[index] = place
    return [offsets[index] for index in range(len(buffers))]


def kept_bytes(graph: TfliteGraph) -> int:
    """What the interpreter keeps beside the arena's values as long as the network is loaded, on a processor of 32 bits:
    an estimate from the sizes of its structures. The multipliers of filters, 8 bytes a channel, are most of it."""
    total = INTERPRETER_BYTES + TENSOR_BYTES * len(graph.tensors) + OPERATOR_BYTES * len(graph.operators)
    for operator in graph.operators:
        if operator.kind in WITH_FILTERS:
            channels = graph.shape(operator.outputs[0])[-1]
            total += 2 * _aligned(4 * channels)
    return total


def _scratch(graph: TfliteGraph) -> list[Buffer]:
    """What kernels ask for while they run: sums of 32 bits, of a mean and of a transposed convolution."""
    found = []
    for number, operator in enumerate(graph.operators, start=1):
        made = graph.tensors[operator.outputs[0]]
        if operator.kind in ("MEAN", "TRANSPOSE_CONV") and made.dtype == "int8":
            size = _aligned(4 * int(np.prod(made.shape)))
            found.append(Buffer(f"{made.name}:sums", size, number, number))
    return found


def _size(tensor: Tensor) -> int:
    return _aligned(int(np.prod(tensor.shape)) * BYTES[tensor.dtype])


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
