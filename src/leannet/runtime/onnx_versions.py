"""The oldest ONNX that says what a graph says, so that runtimes of some years ago open the file too."""

from collections.abc import Iterable
from typing import Any

LEAST = 11  # before it, windows, resizing and cutting were said in other ways


def lowest_opset(onnx: Any, nodes: Iterable[Any]) -> int:
    """The lowest opset in which every node is valid as it is written: its name, attributes and number of inputs.

    onnx: the package. Nodes of other domains count in any.
    """
    kinds: dict[tuple[Any, ...], Any] = {}
    for node in nodes:
        given = tuple(bool(name) for name in node.input)
        kinds.setdefault((node.domain, node.op_type, given, *sorted(each.name for each in node.attribute)), node)
    return max((_first(onnx, node) for node in kinds.values() if not node.domain), default=LEAST)


def lowest_ir(onnx: Any, opset: int) -> int:
    """The lowest version of the file format that goes with an opset, by ONNX's own table."""
    return int(onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)]))


def _first(onnx: Any, node: Any) -> int:
    newest = onnx.defs.onnx_opset_version()
    for opset in range(LEAST, newest):
        if _is_valid(onnx, node, opset):
            return opset
    return int(newest)


def _is_valid(onnx: Any, node: Any, opset: int) -> bool:
    context = type(onnx.checker.DEFAULT_CONTEXT)()
    context.ir_version, context.opset_imports = onnx.IR_VERSION, {"": opset}
    try:
        onnx.checker.check_node(node, context)
    except onnx.checker.ValidationError:
        return False
    return True
