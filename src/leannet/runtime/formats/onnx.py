"""A network as ONNX: one node or a few for each operation, named by its layer's path: a profile reads like rows.

Every kind is written in the form that runtimes are fastest at. The batch is free; the image's size is fixed, unless the
graph resizes it itself. Integers are written as pairs that quantize and dequantize, which runtimes fuse.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from leannet.preprocessing import Preprocessing
from leannet.rows import INPUT, Architecture
from leannet.runtime import operations as ops
from leannet.runtime.branching import Branches, branching, mixed
from leannet.runtime.folding import Weights
from leannet.runtime.formats.onnx_graph import OnnxGraph
from leannet.runtime.formats.onnx_spellings import IMAGES, MICROSOFT, TABLE, refusal
from leannet.runtime.formats.spelling import check
from leannet.runtime.lowered import Operations
from leannet.runtime.lowering import lower
from leannet.runtime.onnx_versions import lowest_ir, lowest_opset, with_bodies
from leannet.runtime.operations import Array, Operation

BATCH = "batch"


def to_onnx(
    architecture: Architecture,
    weights: Weights,
    images: Preprocessing | None = None,
    stored_as: str = "float32",
    sized: bool = False,
    branches: Branches | None = None,
) -> Any:
    """The onnx.ModelProto of a network in evaluation: `input` (N, C, H, W) float32 -> one output a row of `outputs`.

    weights: the network's state by name, as numpy arrays (`numpy_weights`). A classifier's output is (N, classes).
    images: the graph takes `images` (N, height, width, C) uint8 of any size instead, and does the last of the
    resizing, with antialiasing, the scaling and the normalization itself. sized: they have the network's size, and the
    graph only normalizes. stored_as: the type of weights in the file: float32, or float16 or bfloat16 for half the
    bytes; they are computed with as float32. branches: choices are branches (`branching`), for one image at a time or
    for any number; None: all rows run for all images.
    Raises LeannetError where the package `onnx` is missing, and for a row that ONNX has no form for.
    """
    operations = lower(architecture, weights, images, sized)
    return spell_onnx((branching if branches else mixed)(operations), stored_as, gathers=branches == "any")


def spell_onnx(operations: Operations, stored_as: str = "float32", gathers: bool = False) -> Any:
    """The onnx.ModelProto of operations. gathers: branches decide for any number of images; the other parameters are
    those of `to_onnx`."""
    return model_and_tensors(operations, stored_as, gathers)[0]


def model_and_tensors(
    operations: Operations, stored_as: str = "float32", gathers: bool = False
) -> tuple[Any, dict[str, str]]:
    """The same, and for each value the name of its tensor in the graph."""
    check(operations, TABLE, "ONNX", refusal)
    graph = OnnxGraph(operations, TABLE, stored_as, gathers)
    for step in _concats_last(operations):
        graph.write(step)
    return _model(graph), graph.made


def numpy_weights(state: Mapping[str, Any]) -> dict[str, Array]:
    """A torch state as numpy arrays."""
    return {name: value.detach().cpu().numpy() for name, value in state.items()}


def _model(graph: OnnxGraph) -> Any:
    """The file of a graph that is written."""
    onnx, operations = graph.onnx, graph.operations
    helper, inputs, outputs = onnx.helper, [_input(graph)], list[Any]()
    for name, value in operations.outputs.items():
        dims, step = operations.dims(value), operations.by_name.get(value)
        part = step.part if isinstance(step, ops.FoundPart) else None
        _make_output(graph, graph.read(value, "vector" if len(dims) == 1 and part is None else ""), f"{name}:0")
        kind = onnx.TensorProto.INT64 if part == "classes" else onnx.TensorProto.FLOAT
        outputs.append(helper.make_tensor_value_info(f"{name}:0", kind, [_batch(graph), *dims]))
    written = helper.make_graph(graph.nodes, operations.name, inputs, outputs)
    opset = lowest_opset(onnx, graph.nodes, inputs, graph.constants)
    opsets, ir = [helper.make_opsetid("", opset)], lowest_ir(onnx, opset)
    if any(node.domain == MICROSOFT for node in with_bodies(graph.nodes)):
        opsets.append(helper.make_opsetid(MICROSOFT, 1))
    model = helper.make_model(written, opset_imports=opsets, ir_version=ir, producer_name="leannet")
    for name, array in graph.constants.items():  # in place, since a message that becomes a part of another is copied
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        model.graph.initializer.add(name=name, data_type=kind, dims=array.shape, raw_data=array.tobytes())
    return model


def _batch(graph: OnnxGraph) -> str | int:
    """The number of images: any, and where a branch decides for all of them one."""
    decides_for_one = not graph.gathers and any(isinstance(step, ops.Branch) for step in graph.operations)
    return 1 if decides_for_one else BATCH


def _input(graph: OnnxGraph) -> Any:
    """The graph's input: values, or images."""
    kinds, first, batch = graph.onnx.TensorProto, next(iter(graph.operations), None), _batch(graph)
    if not isinstance(first, ops.Images):
        return graph.onnx.helper.make_tensor_value_info(INPUT, kinds.FLOAT, [batch, *graph.operations.input])
    channels, *size = first.shape
    dims = [batch, *(size if first.sized else ("height", "width")), channels]
    return graph.onnx.helper.make_tensor_value_info(IMAGES, kinds.UINT8, dims)


def _concats_last(operations: Operations) -> Sequence[Operation]:
    """Operations, a Concat that a sum reads right before it: OpenCV 4 sums wrongly with a convolution in between."""
    steps = list(operations)
    for step in operations:
        if not isinstance(step, ops.Sum):
            continue
        for name in step.inputs:
            read = operations.by_name.get(name)
            if isinstance(read, ops.Concatenate) and operations.readers[name][0] is step:
                steps.remove(read)
                steps.insert(steps.index(step), read)
    return steps


def _make_output(graph: OnnxGraph, tensor: str, output: str) -> None:
    """Makes a tensor the graph's output of that name, by renaming it.

    An Identity would do the same, but is one more node, and readers of OpenVINO's own form from before 2025 do not know
    it. There is one only where no node makes the tensor, or where it is an output already.
    """
    tensor = graph.renamed.get(tensor, tensor)
    if tensor in graph.renamed.values() or not any(tensor in node.output for node in graph.nodes):
        graph.nodes.append(graph.onnx.helper.make_node("Identity", [tensor], [output]))
    else:
        graph.rename(tensor, output)
