"""A network as ncnn's two files: a table of layers as text, and their weights.

The text has a line a layer: kind, name, how many values it reads and writes, their names, and numbered settings
(github.com/Tencent/ncnn, docs/developer-guide/operators.md). A value that several layers read is split before, by a
layer of its own. The weights follow each other in the order of the lines, those of convolutions behind four bytes of
zeros, which say that they are float32.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from leannet.rows import INPUT, Architecture
from leannet.runtime import operations as ops
from leannet.runtime.branching import mixed
from leannet.runtime.folding import Weights
from leannet.runtime.formats.spelling import check
from leannet.runtime.lowering import lower
from leannet.runtime.operations import Array
from leannet.runtime.tails import without_tail

MAGIC = 7767517
ARRAY = -23300  # a setting that is a list has this number less its own
RAW = b"\0\0\0\0"
Setting = int | float | Sequence[int | float]
# Kind, settings and weights of a layer. One before the last has its kind behind its name.
Layer = tuple[str, dict[int, Setting], bytes]


def to_ncnn(architecture: Architecture, weights: Weights) -> tuple[str, bytes]:
    """The texts of `.param` and the bytes of `.bin`: `input` (C, H, W) -> one value a row of `outputs`, by its name.

    A vector is (1, 1, C). Boxes are left to the host (`tails`): instead of them it gives the maps that they are found
    in, by their names. Raises LeannetError for a row that ncnn has no layer for.
    """
    operations = without_tail(mixed(lower(architecture, weights)))
    check(operations, TABLE, "ncnn")
    c, h, w = operations.input
    lines: list[tuple[str, str, Sequence[str], dict[int, Setting]]] = [("Input", INPUT, [], {0: w, 1: h, 2: c})]
    data = []
    for step in operations:
        layers, inputs = TABLE[type(step)](step), step.inputs
        for number, (kind, settings, weight) in enumerate(layers, 1):
            name = step.name if number == len(layers) else f"{step.name}:{kind.lower()}"
            lines.append((kind, name, inputs, settings))
            data.append(weight)
            inputs = (name,)
    lines += [("Noop", f"{name}:0", [value], {}) for name, value in operations.outputs.items()]
    return _text(lines), b"".join(data)


def _text(lines: Sequence[tuple[str, str, Sequence[str], dict[int, Setting]]]) -> str:
    """The lines, with a split before each value's second reader."""
    readers = Counter(name for _, _, inputs, _ in lines for name in inputs)
    copies = {name: [f"{name}:{i}" for i in range(count)] for name, count in readers.items() if count > 1}
    written, blobs = [], 0
    for kind, name, inputs, settings in lines:
        inputs = [copies[value].pop(0) if value in copies else value for value in inputs]
        written.append(_line(kind, name, inputs, [name], settings))
        blobs += 1
        if name in copies:
            written.append(_line("Split", f"{name}:split", [name], list(copies[name]), {}))
            blobs += len(copies[name])
    return "\n".join([str(MAGIC), f"{len(written)} {blobs}", *written]) + "\n"


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


def _bytes(array: Array | None) -> bytes:
    return b"" if array is None else np.ascontiguousarray(array, np.float32).tobytes()


# Spellings: the layers of an operation, one reading the other


def _convolve(step: ops.Convolve) -> list[Layer]:
    weight, (top, left, bottom, right), (height, width) = step.filters.weight, step.pads, step.sides
    settings: dict[int, Setting] = {
        0: len(weight), 1: width, 3: step.stride, 4: left, 14: top, 15: right, 16: bottom, 5: 1, 6: weight.size,
    }  # fmt: skip
    if height != width:
        settings[11] = height
    kind, groups = ("Convolution", {}) if step.groups == 1 else ("ConvolutionDepthWise", {7: step.groups})
    return [(kind, settings | groups, RAW + _bytes(weight) + _bytes(step.filters.bias))]


def _convolve_transposed(step: ops.ConvolveTransposed) -> list[Layer]:
    weight = step.filters.weight
    settings: dict[int, Setting] = {
        0: len(weight), 1: step.kernel, 3: step.stride, 4: step.cut, 5: 1, 6: weight.size,
    }  # fmt: skip
    return [("Deconvolution", settings, RAW + _bytes(weight) + _bytes(step.filters.bias))]


def _fully_connect(step: ops.FullyConnect) -> list[Layer]:
    weight, bias = step.filters.weight, step.filters.bias
    settings: dict[int, Setting] = {0: len(weight), 1: int(bias is not None), 2: weight.size}
    return [("InnerProduct", settings, RAW + _bytes(weight) + _bytes(bias)), _image(step)]


def _image(step: ops.Operation) -> Layer:
    """The value as (C, H, W)."""
    return "Reshape", {0: step.shape.width, 1: step.shape.height, 2: step.shape.channels}, b""


def _pool(step: ops.Pool) -> list[Layer]:
    top, left, bottom, right = step.pads
    settings: dict[int, Setting] = {0: int(step.op != "max"), 1: step.kernel, 2: step.stride, 5: 1}
    return [("Pooling", settings | {3: left, 13: top, 14: right, 15: bottom}, b"")]


def _mean_of_parts(step: ops.MeanOfParts) -> list[Layer]:
    if step.size == 1:
        return [("Pooling", {0: 1, 4: 1}, b""), _image(step)]
    return [("Pooling", {0: 1, 7: 1, 8: step.size, 18: step.size}, b"")]


def _decide(step: ops.Decide) -> list[Layer]:
    """No comparison is there: what is above the threshold, times more than one step of float32 needs, up to 1."""
    times = np.full(1, 1e12, np.float32)
    scaled = _bytes(times) + _bytes(-times * np.float32(step.threshold))
    return [("Scale", {0: 1, 1: 1}, scaled), ("Clip", {0: 0.0, 1: 1.0}, b"")]


def _zeros(step: ops.Zeros) -> list[Layer]:
    """One number of what is read, times weights of 0."""
    channels = step.shape.channels
    weights = RAW + _bytes(np.zeros(channels, np.float32))
    settings: dict[int, Setting] = {0: channels, 1: 0, 2: channels}
    return [("Reduction", {0: 3, 1: 1, 4: 0}, b""), ("InnerProduct", settings, weights), _image(step)]


def _upsample(step: ops.Upsample) -> list[Layer]:
    if step.factor is None:
        return [("Interp", {0: 1, 3: step.shape.height, 4: step.shape.width}, b"")]
    return [("Interp", {0: 1, 1: float(step.factor), 2: float(step.factor)}, b"")]


ACTIVATIONS: dict[str, tuple[str, dict[int, Setting]]] = {
    "relu": ("ReLU", {}), "relu6": ("Clip", {0: 0.0, 1: 6.0}), "sigmoid": ("Sigmoid", {}), "tanh": ("TanH", {}),
    "gelu": ("GELU", {0: 0}),
    "swish": ("Swish", {}), "h_swish": ("HardSwish", {0: 1 / 6, 1: 0.5}),
    "h_sigmoid": ("HardSigmoid", {0: 1 / 6, 1: 0.5}),
}  # fmt: skip
TABLE: dict[type[ops.Operation], Callable[[Any], list[Layer]]] = {
    ops.Convolve: _convolve,
    ops.ConvolveTransposed: _convolve_transposed,
    ops.FullyConnect: _fully_connect,
    ops.Pool: _pool,
    ops.MeanOfParts: _mean_of_parts,
    ops.Sum: lambda step: [("BinaryOp", {0: 0}, b"")],
    ops.Multiply: lambda step: [("BinaryOp", {0: 2}, b"")],
    ops.Concatenate: lambda step: [("Concat", {0: 0}, b"")],
    ops.Scale: lambda step: [("Scale", {0: len(step.scale), 1: 1}, _bytes(step.scale) + _bytes(step.shift))],
    ops.Activate: lambda step: [(*ACTIVATIONS[step.kind], b"")],
    ops.Flatten: lambda step: [("Flatten", {}, b""), _image(step)],
    ops.Shuffle: lambda step: [("ShuffleChannel", {0: step.groups}, b"")],
    ops.Slice: lambda step: [("Crop", {9: [step.start], 10: [step.start + step.shape.channels], 11: [0]}, b"")],
    ops.Upsample: _upsample,
    ops.Shift: lambda step: [
        ("Crop", {9: [1, 1], 10: list(step.shape[1:]), 11: [1, 2]}, b""),
        ("Padding", {0: 0, 1: 1, 2: 0, 3: 1, 4: 0, 5: 0.0}, b""),
    ],
    ops.Softmax: lambda step: [("Softmax", {0: 0, 1: 1}, b"")],
    ops.Largest: lambda step: [("Reduction", {0: 4, 1: 0, 3: [0], 4: 1, 5: 1}, b"")],
    ops.Decide: _decide,
    ops.Zeros: _zeros,
    ops.LocalResponse: lambda step: [("LRN", {0: 0, 1: step.size, 2: step.alpha, 3: step.beta, 4: step.k}, b"")],
}
