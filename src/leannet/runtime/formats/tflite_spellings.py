"""How each operation is spelled in LiteRT: what adds its operators, and returns the tensor that it is."""

from collections.abc import Callable
from typing import Any

import numpy as np

from leannet.rows import INPUT
from leannet.runtime import operations as ops
from leannet.runtime.formats.tflite_boxes import found_part, top_boxes
from leannet.runtime.formats.tflite_graph import FUSED, SAME, VALID, TfliteGraph, nhwc
from leannet.runtime.lowered import Operations
from leannet.runtime.operations import Array, Operation

PLAIN_ACTIVATIONS = {"relu": "RELU", "relu6": "RELU6", "sigmoid": "LOGISTIC", "tanh": "TANH"}


def refusal(step: Operation, operations: Operations) -> str | None:
    """Why LiteRT has no form of an operation; None: it has one."""
    if isinstance(step, ops.Images) and not step.sized:
        return "LiteRT resizes without antialiasing: expected images of the network's size"
    if isinstance(step, ops.MeanOfParts):
        shape = operations.shape(step.inputs[0])
        if shape.height % step.size or shape.width % step.size:
            return f"LiteRT has no mean over {step.size} parts of {shape.height} x {shape.width}"
    return None


def _images(to: TfliteGraph, step: ops.Images) -> int:
    preprocessing, x = step.preprocessing, to.input
    image = to.tensors[x]
    image.dtype = "uint8"
    image.scales, image.zero_points = np.array([preprocessing.scale]), np.array([0])
    shape = nhwc(step.shape)
    mean, std = (np.array(values) for values in (preprocessing.mean, preprocessing.std))
    floats = to.op("DEQUANTIZE", [x], f"{INPUT}:floats", shape, "DequantizeOptions")
    scale = to.constant(f"{INPUT}:scale", (1 / std).astype(np.float32))
    shift = to.constant(f"{INPUT}:shift", (-mean / std).astype(np.float32))
    scaled = to.op("MUL", [floats, scale], f"{INPUT}:scaled", shape, "MulOptions")
    return to.op("ADD", [scaled, shift], f"{INPUT}:normalized", shape, "AddOptions")


def _constant(to: TfliteGraph, step: ops.Constant) -> int:
    value = step.value.reshape(-1) if step.value.size == 1 else step.value.transpose(1, 2, 0)[None]
    made = to.constant(step.name, value if step.range is None else (value - 128).astype(np.int8))
    return made if step.range is None else to.integers(made, step.range)


def _filters(
    to: TfliteGraph, step: ops.Convolve | ops.ConvolveTransposed | ops.FullyConnect, weight: Array, axis: int = 0
) -> list[int]:
    """weight: as LiteRT lays it out, output channels along the axis."""
    filters, path = step.filters, step.layer
    bias = np.zeros(len(filters.weight), np.float32) if filters.bias is None else filters.bias
    if filters.scales is None or filters.bias_scales is None:
        return [to.constant(f"{path}:weight", weight), to.constant(f"{path}:bias", bias)]
    return [
        to.integer_constant(f"{path}:weight", weight, filters.scales, axis),
        to.integer_constant(f"{path}:bias", bias, filters.bias_scales, 0),
    ]


def _convolve(to: TfliteGraph, step: ops.Convolve, x: int) -> int:
    shape = to.operations.shape(step.inputs[0])
    x, padding = to.window(x, step.layer, shape, step.sides, step.stride, step.pads)
    fields = {
        "Padding": padding, "StrideW": step.stride, "StrideH": step.stride,
        "FusedActivationFunction": FUSED[step.activation],
    }  # fmt: skip
    common: dict[str, Any] = {"name": step.name, "shape": nhwc(step.shape), "range_": step.range, **fields}
    weight = step.filters.weight
    if step.depthwise:
        inputs = [x, *_filters(to, step, weight.transpose(1, 2, 3, 0), axis=3)]
        return to.op("DEPTHWISE_CONV_2D", inputs, options="DepthwiseConv2DOptions", DepthMultiplier=1, **common)
    inputs = [x, *_filters(to, step, weight.transpose(0, 2, 3, 1))]
    version = 6 if step.groups > 1 else 1  # the first that knows groups
    return to.op("CONV_2D", inputs, options="Conv2DOptions", version=version, **common)


def _convolve_transposed(to: TfliteGraph, step: ops.ConvolveTransposed, x: int) -> int:
    """Its padding is that of the convolution the other way round: "same" leaves out what is not stride x stride."""
    out = nhwc(step.shape)
    size = to.constant(f"{step.layer}:size", np.array(out, np.int32))
    weight, bias = _filters(to, step, step.filters.weight.transpose(0, 2, 3, 1))
    version = 3 if step.activation == "linear" else 4  # the first that knows biases, and activation functions
    return to.op(
        "TRANSPOSE_CONV", [size, weight, x, bias], step.name, out, "TransposeConvOptions", range_=step.range,
        version=version, Padding=SAME, StrideW=step.stride, StrideH=step.stride,
        FusedActivationFunction=FUSED[step.activation],
    )  # fmt: skip


def _fully_connect(to: TfliteGraph, step: ops.FullyConnect, x: int) -> int:
    shape, path = to.operations.shape(step.inputs[0]), step.layer
    # Its inputs come in the order (H, W, C) here.
    weight = step.filters.weight.reshape(-1, *shape).transpose(0, 2, 3, 1).reshape(-1, shape.elements)
    flat = to.reshape(x, f"{path}:flat", (1, shape.elements))
    product = to.op(
        "FULLY_CONNECTED", [flat, *_filters(to, step, weight)], f"{path}:product", (1, step.shape.channels),
        "FullyConnectedOptions", range_=step.range, FusedActivationFunction=FUSED[step.activation],
    )  # fmt: skip
    return to.reshape(product, step.name, nhwc(step.shape))


def _pool(to: TfliteGraph, step: ops.Pool, x: int) -> int:
    path, shape = step.name, to.operations.shape(step.inputs[0])
    padded, padding = to.window(x, path, shape, [step.kernel] * 2, step.stride, step.pads, step.op == "max")
    kind = "MAX_POOL_2D" if step.op == "max" else "AVERAGE_POOL_2D"
    counted = step.op == "average" and padded != x  # zeros around the map are, and should not be
    mean = to.op(
        kind, [padded], f"{path}:counted" if counted else path, nhwc(step.shape), "Pool2DOptions", range_=step.range,
        FilterWidth=step.kernel, FilterHeight=step.kernel, Padding=padding, StrideW=step.stride, StrideH=step.stride,
    )  # fmt: skip
    if not counted:
        return mean
    share = to.constant(f"{path}:share", step.kernel**2 / step.pixels_in_windows(shape)[None, :, :, None])
    return to.op("MUL", [mean, share], path, nhwc(step.shape), "MulOptions")


def _mean_of_parts(to: TfliteGraph, step: ops.MeanOfParts, x: int) -> int:
    path, shape = step.name, to.operations.shape(step.inputs[0])
    if step.size == 1:
        axes = to.constant(f"{path}:axes", np.array([1, 2], np.int32))
        return to.op("MEAN", [x, axes], path, nhwc(step.shape), "ReducerOptions", range_=step.range, KeepDims=True)
    high, wide = shape.height // step.size, shape.width // step.size
    fields = {"Padding": VALID, "StrideW": wide, "StrideH": high, "FilterWidth": wide, "FilterHeight": high}
    return to.op("AVERAGE_POOL_2D", [x], path, nhwc(step.shape), "Pool2DOptions", range_=step.range, **fields)


def _sum(to: TfliteGraph, step: ops.Sum, *inputs: int) -> int:
    fused: dict[str, Any] = {"FusedActivationFunction": FUSED[step.activation]}
    return to.op("ADD", inputs, step.name, nhwc(step.shape), "AddOptions", range_=step.range, **fused)


def _operator(kind: str, options: str, **fields: Any) -> Callable[..., int]:
    """A single operator."""

    def spell(to: TfliteGraph, step: Operation, *inputs: int) -> int:
        return to.op(kind, inputs, step.name, nhwc(step.shape), options, range_=step.range, **fields)

    return spell


def _scale(to: TfliteGraph, step: ops.Scale, x: int) -> int:
    path, shape = step.name, nhwc(step.shape)
    scaled = to.op("MUL", [x, to.constant(f"{path}:scale", step.scale)], f"{path}:scaled", shape, "MulOptions")
    return to.op("ADD", [scaled, to.constant(f"{path}:shift", step.shift)], path, shape, "AddOptions")


def _activate(to: TfliteGraph, step: ops.Activate, x: int) -> int:
    name, shape = step.name, nhwc(step.shape)
    match step.kind:
        case "h_sigmoid":
            three, sixth = (to.constant(f"{name}:{word}", np.array([number], np.float32))
                            for word, number in (("three", 3), ("sixth", 1 / 6)))  # fmt: skip
            relu6: dict[str, Any] = {"FusedActivationFunction": FUSED["relu6"]}
            moved = to.op("ADD", [x, three], f"{name}:moved", shape, "AddOptions", **relu6)
            return to.op("MUL", [moved, sixth], name, shape, "MulOptions")
        case "swish":
            gate = to.op("LOGISTIC", [x], f"{name}:gate", shape)
            return to.op("MUL", [x, gate], name, shape, "MulOptions")
        case "h_swish":
            return to.op("HARD_SWISH", [x], name, shape, "HardSwishOptions")
        case "gelu":
            return to.op("GELU", [x], name, shape, "GeluOptions", Approximate=False, range_=step.range)
    return to.op(PLAIN_ACTIVATIONS[step.kind], [x], name, shape, range_=step.range)


def _flatten(to: TfliteGraph, step: ops.Flatten, x: int) -> int:
    _, h, w, _ = to.shape(x)
    turned = x if h * w == 1 else to.transpose(x, f"{step.name}:turned", (0, 3, 1, 2))
    return to.reshape(turned, step.name, nhwc(step.shape))


def _shuffle(to: TfliteGraph, step: ops.Shuffle, x: int) -> int:
    path, (_, h, w, c) = step.name, nhwc(step.shape)
    apart = to.reshape(x, f"{path}:apart", (1, h, w, step.groups, c // step.groups))
    return to.reshape(to.transpose(apart, f"{path}:turned", (0, 1, 2, 4, 3)), path, (1, h, w, c))


def _slice(to: TfliteGraph, step: ops.Slice, x: int) -> int:
    return to.slice(x, step.name, (0, 0, 0, step.start), nhwc(step.shape))


def _shift(to: TfliteGraph, step: ops.Shift, x: int) -> int:
    _, h, w, c = nhwc(step.shape)
    cut = to.slice(x, f"{step.name}:cut", (0, 1, 1, 0), (1, h - 1, w - 1, c))
    return to.pad(cut, step.name, (0, 0, 1, 1))


def _upsample(to: TfliteGraph, step: ops.Upsample, x: int) -> int:
    out, kind = nhwc(step.shape), "RESIZE_NEAREST_NEIGHBOR"
    size = to.constant(f"{step.name}:size", np.array(out[1:3], np.int32))
    return to.op(kind, [x, size], step.name, out, "ResizeNearestNeighborOptions", range_=step.range)


def _largest(to: TfliteGraph, step: ops.Largest, x: int) -> int:
    axes = to.constant(f"{step.name}:axes", np.array([3], np.int32))
    return to.op("REDUCE_MAX", [x, axes], step.name, nhwc(step.shape), "ReducerOptions", KeepDims=True)


def _zeros(to: TfliteGraph, step: ops.Zeros, x: int) -> int:
    axes = to.constant(f"{step.name}:axes", np.array([1, 2, 3], np.int32))
    number = to.op("MEAN", [x, axes], f"{step.name}:number", (1, 1, 1, 1), "ReducerOptions", KeepDims=True)
    zeros = to.constant(f"{step.name}:zeros", np.zeros(nhwc(step.shape), np.float32))
    return to.op("MUL", [number, zeros], step.name, nhwc(step.shape), "MulOptions")


def _decide(to: TfliteGraph, step: ops.Decide, x: int) -> int:
    """What is left above the threshold, times more than one step of float32 needs, up to 1, so that all stays float."""
    name, shape = step.name, nhwc(step.shape)
    threshold, many = (to.constant(f"{name}:{word}", np.array([value], np.float32))
                       for word, value in (("threshold", step.threshold), ("many", 1e12)))  # fmt: skip
    above = to.op("SUB", [x, threshold], f"{name}:above", shape, "SubOptions")
    grown = to.op("MUL", [above, many], f"{name}:grown", shape, "MulOptions")
    return to.op("RELU_0_TO_1", [grown], name, shape)


def _is_one(to: TfliteGraph, step: Operation, decision: int) -> int:
    """A decision as true or false."""
    half = to.constant(f"{step.name}:half", np.array([0.5], np.float32))
    runs = to.op("GREATER", [decision, half], f"{step.name}:runs", (1, 1, 1, 1), "GreaterOptions")
    to.tensors[runs].dtype = "bool"
    return runs


def _choose(to: TfliteGraph, step: ops.Choose, first: int, second: int, decision: int) -> int:
    inputs = [_is_one(to, step, decision), first, second]
    return to.op("SELECT_V2", inputs, step.name, nhwc(step.shape), "SelectV2Options", range_=step.range)


def _branch(to: TfliteGraph, step: ops.Branch, decision: int, *outside: int) -> int:
    runs = _is_one(to, step, decision)

    def spell(inner: TfliteGraph, each: Operation, *inputs: int) -> int:
        return TABLE[type(each)](inner, each, *inputs)

    then, otherwise = (
        to.body(f"{step.name}:{word}", step.inputs[1:], body, spell)
        for word, body in zip(("then", "else"), step.sides, strict=True)
    )
    fields = {"ThenSubgraphIndex": then, "ElseSubgraphIndex": otherwise}
    return to.op("IF", [runs, *outside], step.name, nhwc(step.shape), "IfOptions", range_=step.range, **fields)


def _local_response(to: TfliteGraph, step: ops.LocalResponse, x: int) -> int:
    fields: dict[str, Any] = {
        "Radius": step.size // 2,
        "Bias": step.k,
        "Alpha": step.alpha / step.size,
        "Beta": step.beta,
    }
    kind, options = "LOCAL_RESPONSE_NORMALIZATION", "LocalResponseNormalizationOptions"
    return to.op(kind, [x], step.name, nhwc(step.shape), options, **fields)


def _quantize(to: TfliteGraph, step: ops.Quantize, x: int) -> int:
    version = 2 if to.range(x) is not None else 1
    return to.op("QUANTIZE", [x], step.name, to.shape(x), "QuantizeOptions", version, range_=step.range)


def _dequantize(to: TfliteGraph, step: ops.Dequantize, x: int) -> int:
    return to.op("DEQUANTIZE", [x], step.name, to.shape(x), "DequantizeOptions", 2)


TABLE: dict[type[Operation], Callable[..., int]] = {
    ops.Images: _images, ops.Constant: _constant, ops.Convolve: _convolve,
    ops.ConvolveTransposed: _convolve_transposed, ops.FullyConnect: _fully_connect,
    ops.Pool: _pool, ops.MeanOfParts: _mean_of_parts, ops.Sum: _sum, ops.Multiply: _operator("MUL", "MulOptions"),
    ops.Concatenate: _operator("CONCATENATION", "ConcatenationOptions", Axis=3), ops.Scale: _scale,
    ops.Activate: _activate, ops.Flatten: _flatten, ops.Shuffle: _shuffle, ops.Slice: _slice,
    ops.Upsample: _upsample, ops.Shift: _shift, ops.LocalResponse: _local_response, ops.Quantize: _quantize,
    ops.Dequantize: _dequantize, ops.Softmax: _operator("SOFTMAX", "SoftmaxOptions", Beta=1.0), ops.Largest: _largest,
    ops.TopBoxes: top_boxes,
    ops.FoundPart: found_part,
    ops.Decide: _decide, ops.Zeros: _zeros, ops.Choose: _choose,
    ops.Branch: _branch,
}  # fmt: skip
