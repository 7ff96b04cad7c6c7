"""The lowest opset and file version that a graph needs, so that older runtimes open the file too."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from leannet.runtime.folding import Array

LEAST = 11  # before it, Pad, Resize, Clip and Slice had other inputs
SMALL = 16  # elements of a constant that may be a shape


def lowest_opset(onnx: Any, nodes: Iterable[Any], inputs: Iterable[Any], constants: Mapping[str, Array]) -> int:
    """The lowest opset in which every node is valid as it is written: its attributes, its inputs and their types.

    onnx: the package. inputs: value infos of the graph's inputs. Nodes of other domains count in any opset.
    """
    nodes = list(nodes)
    kinds: dict[tuple[Any, ...], Any] = {}
    for node in with_bodies(nodes):
        has_inputs = tuple(bool(name) for name in node.input)
        kinds.setdefault((node.domain, node.op_type, has_inputs, *sorted(each.name for each in node.attribute)), node)
    newest = int(onnx.defs.onnx_opset_version())
    opset = LEAST
    for node in kinds.values():
        if node.op_type == "If":  # whose bodies read values from outside, which a node by itself may not
            continue
        while not node.domain and opset < newest and not _is_valid(onnx, node, opset):
            opset += 1
    graph = _without_weights(onnx, nodes, inputs, constants)
    while opset < newest and not _has_types(onnx, graph, opset):
        opset += 1
    return opset


def with_bodies(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes, and those in the bodies of branches."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from with_bodies(attribute.g.node)


def lowest_ir(onnx: Any, opset: int) -> int:
    """The lowest version of the file format that goes with an opset, by ONNX's own table."""
    return int(onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)]))


def _is_valid(onnx: Any, node: Any, opset: int) -> bool:
    """Whether a node has the attributes and the number of inputs that it has in an opset."""
    context = type(onnx.checker.DEFAULT_CONTEXT)()
    context.ir_version, context.opset_imports = onnx.IR_VERSION, {"": opset}
    try:
        onnx.checker.check_node(node, context)
    except onnx.checker.ValidationError:
        return False
    return True


def _without_weights(onnx: Any, nodes: Any, inputs: Iterable[Any], constants: Mapping[str, Array]) -> Any:
    """The same graph with large constants as inputs, so that asking for its types copies none of them."""
    helper, small, large = onnx.helper, [], list(inputs)
    for name, value in constants.items():
        if value.size <= SMALL:
            small.append(onnx.numpy_helper.from_array(value, name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            large.append(helper.make_tensor_value_info(name, kind, value.shape))
    return helper.make_graph(nodes, "types", large, [], small)


def _has_types(onnx: Any, graph: Any, opset: int) -> bool:
    """Whether every node is defined for the types that it reads."""
    opsets = [onnx.helper.make_opsetid("", opset)]
    domains = {node.domain for node in graph.node} - {""}
    opsets += [onnx.helper.make_opsetid(domain, 1) for domain in sorted(domains)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=lowest_ir(onnx, opset))
    try:
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError:
        return False
    return True
