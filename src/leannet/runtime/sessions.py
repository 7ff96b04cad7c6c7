"""How each engine is set before it runs anything: threads, precision, what it may spin on.

No other module of leannet is imported: `latency-table --emit` writes this file beside the networks that a device
measures for itself, which has numpy and one engine.
"""

import os
import sys
from importlib import import_module
from typing import Any

# ONNX Runtime keeps a device number and reports its uses unless it is told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenVINO counts its uses over the network through this package, and does without where it cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is the language's own word


def onnxruntime_session(model: bytes, threads: int, spins: bool) -> Any:
    """A session on the CPU. spins: its threads wait for the next run awake."""
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def openvino_settings(threads: int, bfloat16: bool) -> dict[str, object]:
    """Of a network on the CPU, one run after the other. Unasked, OpenVINO takes bfloat16 where there is any."""
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
    }


def ncnn_net(param: str, data: str, threads: int) -> Any | None:
    """A network of two files, in float32 on the CPU; None where it cannot read them."""
    network = import_module("ncnn").Net()
    options = network.opt
    options.num_threads, options.use_vulkan_compute = threads, False
    for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(options, f"use_{kind}", False)
    return None if network.load_param(param) or network.load_model(data) else network


def litert_interpreter(model: bytes, threads: int) -> Any:
    """An interpreter with its tensors. Raises RuntimeError for a network that none of its kernels fit."""
    interpreter = import_module("ai_edge_litert.interpreter").Interpreter(model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter
