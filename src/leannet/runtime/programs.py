"""Networks in a precision: as they are, and as integers with ranges that are made up, where only time counts."""

from leannet.errors import LeannetError, nearest
from leannet.network import build
from leannet.rows import INPUT, Architecture
from leannet.runtime.engines import Program
from leannet.runtime.folding import Weights
from leannet.runtime.int8_graph import Int8Writer, Style
from leannet.runtime.onnx_graph import numpy_weights

PRECISIONS = ("float32", "int8")
STYLES: dict[str, Style] = {"onnxruntime": "table", "openvino": "fused"}  # how each engine likes its integers


def program(
    architecture: Architecture, precision: str = "float32", engine: str = "onnxruntime", weights: Weights | None = None
) -> Program:
    """A network for an engine. weights: None: fresh ones. int8: with ranges that nothing was measured for.

    Raises LeannetError for an unknown precision, and for integers in torch.
    """
    if precision not in PRECISIONS:
        raise LeannetError(f"precision '{precision}': expected one of {', '.join(PRECISIONS)}")
    if precision == "float32":
        return Program(architecture, None if weights is None else dict(weights))
    if engine not in STYLES:
        raise LeannetError(f"int8 in {engine}: expected one of {', '.join(STYLES)}; nearest: {nearest(engine, STYLES)}")
    weights = weights if weights is not None else numpy_weights(build(architecture).eval().state_dict())
    ranges = {INPUT: (-2.0, 2.0)}
    for placed in architecture.layers:
        ranges[placed.path] = ranges[f"{placed.path}:before"] = (-4.0, 4.0)
    model = Int8Writer(architecture, weights, ranges, STYLES[engine]).model()
    return Program.of_file(architecture, model.SerializeToString())
