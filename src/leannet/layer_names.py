"""Layers by the names that Keras and MATLAB give them, and by their number in MATLAB. No torch.

Keras (keras.applications) and MATLAB list a convolution, its normalization and its activation as three layers:
`block_1_project`, `block_1_project_BN`, `block_1_expand_relu`. Here these are one layer with parts:
`block_1.project`, `block_1.project.norm`, and the layer itself, whose output is that of its activation.
"""

from collections.abc import Iterator

from leannet.errors import LeannetError
from leannet.rows import INPUT, Architecture, Conv, Depthwise, Dropout, TransposedConv
from leannet.rows.graph import Node

NORM = ("_bn", "_batchnorm", "_batch_normalization")  # endings are compared in lower case
ACTIVATION = ("_relu6", "_relu", "_hard_swish", "_hswish", "_swish", "_activation")
INPUT_NAMES = ("input", "input_layer", "image_input", "imageinput")
COUNTED = "counting input, convolution, normalization, activation and sum one each"


def translated(architecture: Architecture, name: str) -> str | None:
    """The path here of a name or number of Keras or MATLAB, as `block_1.project.norm`; None for no such name.

    Raises LeannetError for what is a layer there and none here, with what to take.
    """
    if name.isdecimal():
        return _numbered(architecture, int(name))
    lower = name.lower()
    if lower.rstrip("_0123456789") in INPUT_NAMES:
        raise LeannetError(f"layer '{name}': the input is no layer; the first: {architecture.layers[0].path}")
    if lower.endswith("_softmax") or lower.startswith("classificationlayer_"):
        raise LeannetError(
            f"layer '{name}': softmax and the output are no rows; the classes before softmax: {architecture.head}"
        )
    layers = {node.path.replace(".", "_"): node for node in architecture.layers}
    if lower.endswith("_pad"):
        raise LeannetError(f"layer '{name}': padding is no layer; it is a part of the convolution after it")
    if name.startswith("bn_") and (node := layers.get(name[len("bn_") :])):
        return _norm(name, node)
    for endings, path in ((NORM, _norm), (ACTIVATION, _activation)):
        for ending in endings:
            if lower.endswith(ending) and (node := layers.get(name[: -len(ending)])):
                return path(name, node)
    if lower.endswith("_add") and name[: -len("_add")] in {row.name for row in architecture.rows}:
        row = name[: -len("_add")]
        raise LeannetError(f"layer '{name}': {row} has no sum; its output: {architecture.made_by[row]}")
    if name == "out_relu":  # Keras's name for the activation of the last convolution
        return next((p.path for p in reversed(architecture.layers) if isinstance(p.row, Conv)), None)
    if lower.startswith(("global_average_pooling2d", "globalaveragepooling2d")) or lower == "avg_pool":
        return next((row.name for row in architecture.rows if row.kind == "global_pool"), None)
    return architecture.head if lower == "predictions" else None  # Keras's name for the row of classes


def meaning(architecture: Architecture, name: str, path: str) -> str | None:
    """One line on what a name means where Keras and MATLAB have the same or another word for it; else None.

    path: what the name was found as, by `Network.layer` or a look.
    """
    layer = next((node.row for node in architecture.layers if node.path == path), None)
    fused = isinstance(layer, Conv | Depthwise | TransposedConv) and layer.norm is not None
    if fused and name.replace(".", "_") == path.replace(".", "_"):
        if "." in name:  # no name of Keras or MATLAB
            return None
        return f"layer {name} is {path} with its normalization and activation; {path}.conv is the convolution alone"
    if name in (path, path.split(".")[0]) or name.replace(".", "_") == path.replace(".", "_"):
        return None
    after = " after its activation" if fused else ""
    return f"layer {name} is {path}{after}{f', {COUNTED}' if name.isdecimal() else ''}"


def listed(architecture: Architecture) -> Iterator[str]:
    """The path of each layer as MATLAB counts them, from the input on, without padding and dropout.

    A convolution, its normalization and its activation are three; the sum of a residual connection is one.
    """
    yield INPUT
    for node in architecture.layers:
        layer = node.row
        if isinstance(layer, Dropout):
            continue
        path = node.shares or node.path  # whose module it is
        if not isinstance(layer, Conv | Depthwise | TransposedConv) or layer.norm is None:
            yield path
            continue
        yield f"{path}.conv"
        yield f"{path}.norm"
        if layer.activation != "linear":
            yield path


def _norm(name: str, node: Node) -> str:
    if getattr(node.row, "norm", None) is None:
        raise LeannetError(f"layer '{name}': {node.path} has no normalization")
    return f"{node.path}.norm"


def _activation(name: str, node: Node) -> str:
    if getattr(node.row, "activation", "linear") == "linear":
        raise LeannetError(f"layer '{name}': {node.path} has no activation; its output: {node.path}")
    return node.path


def _numbered(architecture: Architecture, number: int) -> str:
    paths = list(listed(architecture))
    if not 2 <= number <= len(paths):
        raise LeannetError(
            f"layer {number}: expected 2 to {len(paths)}, {COUNTED}, without padding, dropout, softmax and output "
            f"({architecture.name})"
        )
    return paths[number - 1]
