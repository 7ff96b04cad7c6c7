"""Layers by the names that Keras and MATLAB give them, and by their number there. No torch.

Keras (keras.applications) and MATLAB list a convolution, its normalization and its activation as three layers:
`block_1_project`, `block_1_project_BN`, `block_1_expand_relu`. Here these are one layer with parts:
`block_1.project`, `block_1.project.norm`, and the layer itself, whose output is that of its activation.
"""

from collections.abc import Iterator

from leannet.errors import LeannetError
from leannet.rows import INPUT, Architecture, Conv, Depthwise, Dropout

NORM = ("_BN", "_bn", "_batchnorm")
ACTIVATION = ("_relu6", "_relu", "_swish", "_hswish", "_hard_swish", "_activation")
NO_LAYER = {  # ending -> what it is instead
    "_softmax": "softmax is no row; the row of classes gives what it reads",
}


def translated(architecture: Architecture, name: str) -> str | None:
    """The path here of a name or number of Keras or MATLAB, as `block_1.project.norm`; None for no such name.

    Raises LeannetError for what is a layer there and none here, with what to take.
    """
    if name.isdecimal():
        return _numbered(architecture, int(name))
    for ending, why in NO_LAYER.items():
        if name.endswith(ending) and name.removesuffix(ending):
            raise LeannetError(f"layer '{name}': {why}; the classes: {architecture.head}")
    paths = {placed.path.replace(".", "_"): placed.path for placed in architecture.layers}
    paths |= {row.name: row.name for row in architecture.rows}
    if (bare := name.removeprefix("bn_")) != name and bare in paths:
        return f"{paths[bare]}.norm"
    for endings, part in ((NORM, ".norm"), (ACTIVATION, ""), (("_add",), "")):
        for ending in endings:
            if name.endswith(ending) and name.removesuffix(ending) in paths:
                return paths[name.removesuffix(ending)] + part
    if name == "out_relu":  # Keras's name for the activation of the last convolution
        return next((p.path for p in reversed(architecture.layers) if isinstance(p.layer, Conv)), None)
    if name.startswith("global_average_pooling2d"):
        return next((row.name for row in architecture.rows if row.kind == "global_pool"), None)
    return None


def listed(architecture: Architecture) -> Iterator[str]:
    """The path of each layer as Keras and MATLAB count them, from the input on, without padding and dropout.

    A convolution, its normalization and its activation are three; the sum of a residual connection is one.
    """
    yield INPUT
    for placed in architecture.layers:
        layer = placed.layer
        if isinstance(layer, Dropout):
            continue
        if not isinstance(layer, Conv | Depthwise) or layer.norm is None:
            yield placed.path
            continue
        yield f"{placed.path}.conv"
        yield f"{placed.path}.norm"
        if layer.activation != "linear":
            yield placed.path


def _numbered(architecture: Architecture, number: int) -> str:
    paths = list(listed(architecture))
    if not 2 <= number <= len(paths):
        raise LeannetError(
            f"layer {number}: expected 2 to {len(paths)}, counting input, convolution, normalization, activation and "
            f"sum one each, as Keras and MATLAB do ({architecture.name})"
        )
    return paths[number - 1]
