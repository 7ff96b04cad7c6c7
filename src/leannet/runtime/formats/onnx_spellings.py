"""How each operation is spelled in ONNX: what adds its nodes, and returns the tensor that it is."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

from leannet.rows import INPUT
from leannet.runtime import operations as ops
from leannet.runtime.formats.onnx_boxes import found_part, top_boxes
from leannet.runtime.formats.onnx_branches import branch
from leannet.runtime.formats.onnx_graph import OnnxGraph, Shaped, Table
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Array, Operation, Range

MICROSOFT = "com.microsoft"
# One float32 step below 1/6. With 1/6 itself, OpenCV takes any product of h-sigmoid and another value for h-swish, and
# answers something else without an error; this value moves no answer by more than rounding does.
SIXTH = float(np.nextafter(np.float32(1 / 6), np.float32(0)))
IMAGES = "images"  # the input of a graph that normalizes; in files of format version 1 it has another name


def refusal(step: Operation, operations: Operations) -> str | None:
    """Why ONNX has no form of an operation; None: it has one."""
    if isinstance(step, ops.LocalResponse) and step.size % 2 == 0:
        return f"field 'size': ONNX has no window of {step.size}: expected an odd one"
    return None


def _images(to: OnnxGraph, step: ops.Images) -> str:
    preprocessing = step.preprocessing
    value = to.node("Transpose", [IMAGES], f"{IMAGES}:channels_first", perm=[0, 3, 1, 2])
    if not step.sized:  # as Pillow resizes them, to one level of 256
        # All four lengths, though two stay: runtimes that move the transposition lose track of `axes`.
        number = to.node("Shape", [IMAGES], f"{IMAGES}:number", start=0, end=1)
        lengths = to.constant(f"{IMAGES}:lengths", np.array(step.shape, np.int64))
        size = to.node("Concat", [number, lengths], f"{IMAGES}:size", axis=0)
        value = to.node(
            "Resize", [value, "", "", size], f"{IMAGES}:resized",
            mode={"bilinear": "linear", "bicubic": "cubic"}[preprocessing.interpolation], cubic_coeff_a=-0.5,
            coordinate_transformation_mode="half_pixel", antialias=1, exclude_outside=1,
        )  # fmt: skip
    floats = to.node("Cast", [value], f"{IMAGES}:floats", to=to.onnx.TensorProto.FLOAT)
    mean, std = (np.array(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    scale = to.constant(f"{IMAGES}:scale", (preprocessing.scale / std).astype(np.float32))
    shift = to.constant(f"{IMAGES}:shift", (-mean / std).astype(np.float32))
    return to.node("Add", [to.node("Mul", [floats, scale], f"{IMAGES}:scaled"), shift], INPUT)


def _convolve(to: OnnxGraph, step: ops.Convolve, x: str) -> str:
    return to.node(
        "Conv", [x, *to.filters(step)], step.name, kernel_shape=step.sides, strides=[step.stride] * 2,
        pads=step.pads, group=step.groups,
    )  # fmt: skip


def _convolve_transposed(to: OnnxGraph, step: ops.ConvolveTransposed, x: str) -> str:
    return to.node(
        "ConvTranspose", [x, *to.filters(step)], step.name, kernel_shape=[step.kernel] * 2, strides=[step.stride] * 2,
        pads=[step.cut] * 4,
    )  # fmt: skip


def _fully_connect(to: OnnxGraph, step: ops.FullyConnect, x: str) -> str:
    return to.like(x, to.node("Gemm", [x, *to.filters(step)], step.name, transB=1))


def _pool(to: OnnxGraph, step: ops.Pool, x: str) -> str:
    window = {"kernel_shape": [step.kernel] * 2, "strides": [step.stride] * 2, "pads": step.pads}
    if step.op == "max":
        return to.node("MaxPool", [x], step.name, **window)
    return to.node("AveragePool", [x], step.name, **window, count_include_pad=0)


def _mean_of_parts(to: OnnxGraph, step: ops.MeanOfParts, x: str) -> str:
    path = step.name
    if step.size == 1:
        if to.crosses_a_border(step.inputs[0]):
            return _sum_over_pixels(to, step, x)
        return to.node("GlobalAveragePool", [x], path)
    down, across = (_means(length, step.size) for length in to.operations.shape(step.inputs[0])[1:])
    shorter = to.node("MatMul", [to.constant(f"{path}:down", down), x], f"{path}:rows")
    return to.node("MatMul", [shorter, to.constant(f"{path}:across", across.T)], path)


def _sum_over_pixels(to: OnnxGraph, step: ops.MeanOfParts, x: str) -> str:
    """The mean of what a branch gives: ONNX Runtime would pool it in its own layout, behind a copy of the map."""
    shape = to.operations.shape(step.inputs[0])
    axes = to.constant("constant:pixels", np.array([2, 3], np.int64))
    share = to.constant(f"{step.name}:share", np.array(1 / (shape.height * shape.width), np.float32))
    return to.node("Mul", [to.node("ReduceSum", [x, axes], f"{step.name}:sum"), share], step.name)


def _means(length: int, parts: int) -> Array:
    """(parts, length): the mean of each part, where parts overlap as torch's adaptive pooling lets them."""
    matrix = np.zeros((parts, length), np.float32)
    for part in range(parts):
        first, last = part * length // parts, -(-(part + 1) * length // parts)
        matrix[part, first:last] = 1 / (last - first)
    return matrix


def _node(kind: str, **attributes: Any) -> Callable[..., str]:
    """A single node."""

    def spell(to: OnnxGraph, step: Operation, *inputs: str) -> str:
        return to.like(inputs[0], to.node(kind, inputs, step.name, **attributes))

    return spell


def _scale(to: OnnxGraph, step: ops.Scale, x: str) -> str:
    values = (step.scale, step.shift) if x in to.flat else (step.scale[:, None, None], step.shift[:, None, None])
    scale, shift = (
        to.constant(f"{step.name}:{name}", value) for name, value in zip(("scale", "shift"), values, strict=True)
    )
    scaled = to.like(x, to.node("Mul", [x, scale], f"{step.name}:scaled"))
    return to.like(x, to.node("Add", [scaled, shift], step.name))


def _activate(to: OnnxGraph, step: ops.Activate, x: str) -> str:
    name = step.name
    if step.range is not None:
        return _look_up(to, step, x, step.range)
    match step.kind:
        case "relu6":
            limits = [to.constant(f"constant:{value}", np.array(value, np.float32)) for value in (0, 6)]
            made = to.node("Clip", [x, *limits], name)
        case "swish":
            made = to.node("Mul", [x, to.node("Sigmoid", [x], f"{name}:sigmoid")], name)
        case "h_sigmoid":
            made = to.node("HardSigmoid", [x], name, alpha=SIXTH, beta=0.5)
        case "gelu":  # in a form that opset 11 knows, and runtimes fuse
            root, one, half = (to.constant(f"constant:{word}", np.array(value, np.float32))
                               for word, value in (("root_of_two", 2**0.5), ("one", 1), ("half", 0.5)))  # fmt: skip
            error = to.node("Erf", [to.node("Div", [x, root], f"{name}:scaled")], f"{name}:erf")
            gate = to.node("Mul", [x, to.node("Add", [error, one], f"{name}:gate")], f"{name}:gated")
            made = to.node("Mul", [gate, half], name)
        case kind:
            plain = {"relu": "Relu", "h_swish": "HardSwish", "sigmoid": "Sigmoid", "tanh": "Tanh"}
            made = to.node(plain[kind], [x], name)
    return to.like(x, made)


def _look_up(to: OnnxGraph, step: ops.Activate, x: str, made: Range) -> str:
    """Of integers: an operation that the runtime computes by a look-up table of 256 values.

    h-sigmoid(z) is z again on the scale whose range is [-3, 3], moved by a half: it saturates where ReLU6(z + 3) does.
    Half of 255 is no integer: the answer is 0.002 too large.
    """
    given, kind, attributes = to.operations.range(step.inputs[0]), "QLinearSigmoid", {}
    assert given is not None
    if step.kind == "h_sigmoid":
        kind, attributes = "QLinearLeakyRelu", {"alpha": 1.0}
        given, made = Range(given.scale / 6, given.zero_point), Range(made.scale, 128)
    ranges = {f"{step.name}:given": given, f"{step.name}:made": made}
    constants = [constant for name, range_ in ranges.items() for constant in to.scale_and_zero_point(range_, name)]
    return to.like(x, to.node(kind, [x, *constants], step.name, domain=MICROSOFT, **attributes))


def _shuffle(to: OnnxGraph, step: ops.Shuffle, x: str) -> str:
    path, shape = step.name, step.shape
    grouped = np.array([0, step.groups, shape.channels // step.groups, *shape[1:]], np.int64)
    parted = to.node("Reshape", [x, to.constant(f"{path}:apart", grouped)], f"{path}:parted")
    turned = to.node("Transpose", [parted], f"{path}:turned", perm=[0, 2, 1, 3, 4])
    return to.node("Reshape", [turned, to.constant(f"{path}:together", np.array([0, *shape], np.int64))], path)


def _slice(to: OnnxGraph, step: ops.Slice, x: str) -> str:
    parts = _parts(to, step)
    if len(parts) > 1:  # few numbers: starting a node costs more than its work
        if parts[0] is step:
            sizes = to.constant(f"{step.inputs[0]}:sizes", np.array([each.shape.channels for each in parts], np.int64))
            to.split([x, sizes], [each.name for each in parts], f"{step.inputs[0]}:parts")
        return to.like(x, step.name)
    bounds = (("start", step.start), ("stop", step.start + step.shape.channels), ("axis", 1))
    constants = [to.constant(f"{step.name}:{name}", np.array([value], np.int64)) for name, value in bounds]
    return to.like(x, to.node("Slice", [x, *constants], step.name))


def _parts(to: OnnxGraph, step: ops.Slice) -> list[ops.Slice]:
    """The slices that a vector is parted into; none: they are no partition, or of a map."""
    value = step.inputs[0]
    parts = [each for each in to.operations.readers[value] if isinstance(each, ops.Slice)]
    ends = [0, *accumulate(each.shape.channels for each in parts)]
    whole = to.operations.shape(value)
    fits = whole[1:] == (1, 1) and ends == [*(each.start for each in parts), whole.channels]
    return parts if fits else []


def _upsample(to: OnnxGraph, step: ops.Upsample, x: str) -> str:
    modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if step.factor is None:
        number = to.node("Shape", [x], f"{step.name}:number", start=0, end=1)
        lengths = to.constant(f"{step.name}:lengths", np.array(step.shape, np.int64))
        size = to.node("Concat", [number, lengths], f"{step.name}:size", axis=0)
        return to.node("Resize", [x, "", "", size], step.name, **modes)
    scales = to.constant(f"{step.name}:scales", np.array([1, 1, step.factor, step.factor], np.float32))
    return to.node("Resize", [x, "", scales], step.name, **modes)


def _shift(to: OnnxGraph, step: ops.Shift, x: str) -> str:
    pads = to.constant("constant:pads", np.array([0, 0, -1, -1, 0, 0, 1, 1], np.int64))
    return to.node("Pad", [x, pads], step.name)


def _decide(to: OnnxGraph, step: ops.Decide, x: str) -> str:
    threshold = to.constant(f"{step.name}:threshold", np.array(step.threshold, np.float32))
    is_above = to.like(x, to.node("Greater", [x, threshold], f"{step.name}:above"))
    to.booleans[step.name] = is_above
    readers = to.operations.readers.get(step.name, ())
    if step.name not in to.operations.outputs.values() and all(isinstance(each, ops.Branch) for each in readers):
        return is_above  # and no number
    return to.like(x, to.node("Cast", [is_above], step.name, to=to.onnx.TensorProto.FLOAT))


def _zeros(to: OnnxGraph, step: ops.Zeros, x: str) -> str:
    """Zeros times the mean of a channel: without an axis, which opset 18 says otherwise than those before."""
    path, bounds = step.name, (("start", 0), ("stop", 1), ("axis", 1))
    constants = [to.constant(f"{path}:{name}", np.array([value], np.int64)) for name, value in bounds]
    mean = to.node("GlobalAveragePool", [to.node("Slice", [x, *constants], f"{path}:first")], f"{path}:mean")
    zeros = to.constant(f"{path}:zeros", np.zeros((1, step.shape.channels), np.float32))
    made = to.node("Mul", [to.node("Flatten", [mean], f"{path}:number", axis=1), zeros], path)
    to.flat.add(made)
    return made


def _largest(to: OnnxGraph, step: ops.Largest, x: str) -> str:
    """Of a vector, as a map of its values: without an axis, as above."""
    turned = to.node("Transpose", [x], f"{step.name}:turned", perm=[0, 2, 1, 3])
    return to.node("GlobalMaxPool", [turned], step.name)


def _choose(to: OnnxGraph, step: ops.Choose) -> str:
    first, second = step.copied
    as_integers = step.range is not None
    shaped: Shaped = "vector" if step.shape[1:] == (1, 1) else "image"
    values = [to.read(name, shaped, as_integers) for name in (first, second)]
    is_one = to.node("Cast", [to.read(step.inputs[2], shaped)], f"{step.name}:runs", to=to.onnx.TensorProto.BOOL)
    return to.like(values[0], to.node("Where", [is_one, *values], step.name))


def _local_response(to: OnnxGraph, step: ops.LocalResponse, x: str) -> str:
    return to.node("LRN", [x], step.name, alpha=step.alpha, beta=step.beta, bias=step.k, size=step.size)


def _quantize(to: OnnxGraph, step: ops.Quantize, x: str) -> str:
    assert step.range is not None
    constants = to.scale_and_zero_point(step.range, step.name)
    return to.like(x, to.node("QuantizeLinear", [x, *constants], f"{step.name}:bytes"))


def _open(to: OnnxGraph, step: ops.Open) -> str:
    reader, range_ = to.operations.readers[step.name][0], to.operations.range(step.inputs[0])
    assert range_ is not None
    shaped: Shaped = "vector" if isinstance(reader, ops.FullyConnect) else "image"
    x = to.read(step.inputs[0], shaped, as_integers=True)
    number = step.shape.elements if shaped == "vector" else step.shape.channels
    scales = to.constant(f"{step.name}:steps", np.full(number, range_.scale, np.float32))
    zero_points = to.constant(f"{step.name}:zeros", np.full(number, range_.zero_point, np.uint8))
    return to.like(x, to.node("DequantizeLinear", [x, scales, zero_points], step.name, axis=1))


TABLE: Table = {
    ops.Images: (_images, None),
    ops.Convolve: (_convolve, "image"),
    ops.ConvolveTransposed: (_convolve_transposed, "image"),
    ops.FullyConnect: (_fully_connect, "vector"),
    ops.Pool: (_pool, "image"),
    ops.MeanOfParts: (_mean_of_parts, "image"),
    ops.Sum: (_node("Add"), "alike"),
    ops.Multiply: (_node("Mul"), "alike"),
    ops.Concatenate: (_node("Concat", axis=1), "alike"),
    ops.Scale: (_scale, ""),
    ops.Activate: (_activate, ""),
    ops.Flatten: (lambda to, step, x: x, "vector"),
    ops.Shuffle: (_shuffle, "image"),
    ops.Slice: (_slice, ""),
    ops.Upsample: (_upsample, "image"),
    ops.Shift: (_shift, "image"),
    ops.LocalResponse: (_local_response, "image"),
    ops.Softmax: (_node("Softmax", axis=1), "image"),
    ops.Largest: (_largest, "image"),
    ops.Decide: (_decide, ""),
    ops.Zeros: (_zeros, "image"),
    ops.Choose: (_choose, None),
    ops.TopBoxes: (top_boxes, "image"),
    ops.FoundPart: (found_part, None),
    ops.Branch: (branch, None),
    ops.Quantize: (_quantize, ""),
    ops.Reread: (lambda to, step, x: x, ""),
    ops.Open: (_open, None),
}
