"""Precisions: which engine runs which, and a network in one of them."""

from leannet.errors import LeannetError, nearest
from leannet.rows import INPUT, Architecture
from leannet.runtime.branching import Branches
from leannet.runtime.engines import ENGINES
from leannet.runtime.folding import Weights
from leannet.runtime.fresh import fresh_weights
from leannet.runtime.programs import INTEGER_ENGINES, Program, quantized_program

PRECISIONS = ("float32", "bfloat16", "int8")
REQUIREMENTS = {"bfloat16": "openvino, on a processor that has it", "int8": f"one of {', '.join(INTEGER_ENGINES)}"}


def runs_in(precision: str, engine: str) -> bool:
    """Whether an engine that is here runs networks of a precision."""
    match precision:
        case "bfloat16":
            return ENGINES[engine].has_bfloat16
        case "int8":
            return engine in INTEGER_ENGINES
    return True


def fastest_float(engine: str) -> str:
    """bfloat16 where an engine has it here, else float32. Beside integers, its rounding does not count."""
    return "bfloat16" if runs_in("bfloat16", engine) else "float32"


def program(
    architecture: Architecture,
    precision: str = "float32",
    engine: str = "onnxruntime",
    weights: Weights | None = None,
    branches: Branches | None = None,
) -> Program:
    """A network for an engine. weights: None: fresh ones. int8: with ranges that nothing was measured for. branches: as
    for `Program`.

    Raises LeannetError for an unknown precision, for bfloat16 where engine or processor does not have it, and for
    integers in an engine that they are not written for.
    """
    if precision not in PRECISIONS:
        raise LeannetError(f"precision '{precision}': expected one of {', '.join(PRECISIONS)}")
    if precision == "float32":
        return Program(architecture, weights, branches=branches)
    if precision == "bfloat16":
        if not runs_in(precision, engine):
            raise LeannetError(f"bfloat16 in {engine}: expected {REQUIREMENTS[precision]}")
        return Program(architecture, weights, precision, branches)
    if not runs_in(precision, engine):
        raise LeannetError(
            f"int8 in {engine}: expected {REQUIREMENTS[precision]}; nearest: {nearest(engine, INTEGER_ENGINES)}"
        )
    weights = fresh_weights(architecture) if weights is None else weights
    ranges = {INPUT: (-2.0, 2.0)}
    for node in architecture.layers:
        ranges[node.path] = ranges[f"{node.path}:before"] = (-4.0, 4.0)
    compute = fastest_float(engine)
    return quantized_program(architecture, weights, ranges, engine, compute=compute, branches=branches)
