"""Networks of integers with any ranges, as the files that engines read."""

from typing import Any

from leannet.rows import Architecture
from leannet.runtime.folding import Weights
from leannet.runtime.formats.onnx import spell_onnx
from leannet.runtime.formats.tflite import spell_tflite
from leannet.runtime.integers import Ranges
from leannet.runtime.lowering import lower
from leannet.runtime.quantize_kernels import quantize_kernels
from leannet.runtime.quantize_pairs import quantize_pairs


def onnx_integers(rows: Architecture, weights: Weights, ranges: Ranges, style: Any = "lut", **words: Any) -> Any:
    """The ONNX model; words: of `quantize_pairs`."""
    return spell_onnx(quantize_pairs(lower(rows, weights), ranges, style, **words))


def tflite_integers(rows: Architecture, weights: Weights, ranges: Ranges, **words: Any) -> bytes:
    """The LiteRT file; words: of `quantize_kernels`."""
    return spell_tflite(quantize_kernels(lower(rows, weights), ranges, **words))


def copying(rows: Architecture) -> set[str]:
    """The layers that only copy or choose values."""
    return {step.layer for step in lower(rows) if step.copies}
