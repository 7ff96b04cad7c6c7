"""Running networks elsewhere and measuring them: ONNX from the rows, engines, latency."""

from leannet.runtime.engines import ENGINES, Engine, engine
from leannet.runtime.formats.onnx import numpy_weights, to_onnx
from leannet.runtime.latency import Latency, measure
from leannet.runtime.processor import Machine, machine
from leannet.runtime.programs import Program

__all__ = [
    "ENGINES",
    "Engine",
    "Latency",
    "Machine",
    "Program",
    "engine",
    "machine",
    "measure",
    "numpy_weights",
    "to_onnx",
]
