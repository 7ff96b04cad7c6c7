"""OpenVINO's own form of a network: made by OpenVINO from the ONNX file."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from leannet.runtime.packages import package


@cache
def openvino_core() -> Any:
    """One for the whole process. Raises LeannetError where OpenVINO is not installed.

    Each takes the stack that signals are handled on, and gives back what was there before; of two that do not end
    in the order in which they began, the last one gives back memory that is gone.
    """
    return package("openvino").Core()


def to_openvino(onnx: bytes) -> tuple[bytes, bytes]:
    """An ONNX file as the two files of OpenVINO's own form, model.xml and model.bin."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.xml"
        package("openvino").save_model(openvino_core().read_model(onnx), str(target), compress_to_fp16=False)
        return target.read_bytes(), target.with_suffix(".bin").read_bytes()
