"""Digests of the float graphs that rows are written as, from weights that are the same everywhere.

python -m tests.runtime.graph_digests      # writes graph_digests.json anew, where a graph is meant to change
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from leannet.rows import Architecture
from leannet.runtime.folding import Weights
from leannet.runtime.formats.ncnn import to_ncnn
from leannet.runtime.formats.onnx import to_onnx
from leannet.runtime.formats.tflite import to_tflite
from leannet.zoo import FAMILIES, architecture

FILE = Path(__file__).with_suffix(".json")
NAMES = [*sorted(name for name in FAMILIES if name.endswith("_debug")), "mobilenet_v2", "shufflenet_v2"]


def weights(table: Architecture) -> Weights:
    """Drawn by numpy, whose numbers do not depend on the processor."""
    draw = np.random.default_rng(0)
    made = {}
    for key, parameter in table.parameters.items():
        value = draw.normal(size=parameter.shape).astype(np.float32)
        positive = (parameter.kind == "norm" and key.endswith("weight")) or key.endswith("running_var")
        made[key] = np.float32(0.5) + np.abs(value) if positive else value * np.float32(0.1)
    return made


def digests(name: str) -> dict[str, str]:
    """For each format the digest of a network's graph."""
    table = architecture(name)
    if table.input.height > 96:
        table = architecture(name, resolution=96)
    values = weights(table)
    param, model = to_ncnn(table, values)
    files = {
        "onnx": to_onnx(table, values).SerializeToString(deterministic=True),
        "tflite": to_tflite(table, values),
        "ncnn": param.encode() + model,
    }
    return {form: hashlib.sha256(data).hexdigest() for form, data in files.items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: digests(name) for name in NAMES}, indent=1) + "\n")
