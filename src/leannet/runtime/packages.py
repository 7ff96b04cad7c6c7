"""The packages of engines: loaded when they are needed, and told to report nothing."""

import os
import sys
from importlib import import_module
from typing import Any

from leannet.errors import LeannetError


def package(name: str) -> Any:
    """An engine's package. Raises LeannetError where it is not installed."""
    # ONNX Runtime keeps a device number and reports its uses unless it is told not to before it is loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # OpenVINO counts its uses over the network through this package, and does without where it cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is the language's own word
    try:
        return import_module(name)
    except ImportError:
        extra = "litert" if name == "ai_edge_litert" else "deploy"
        raise LeannetError(f"this needs the package {name}: pip install 'leannet[{extra}]'") from None
