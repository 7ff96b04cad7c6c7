"""Digests of the float graphs that rows are written as, from weights that are the same everywhere.

python -m tests.runtime.graph_digests      # writes graph_digests.json anew, where a graph is meant to change
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from leannet.rows import Architecture
from leannet.runtime.folding import Weights
from leannet.runtime.ncnn_graph import NcnnWriter
from leannet.runtime.onnx_graph import GraphWriter
from leannet.runtime.tflite_graph import TfliteWriter
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
    param, model = NcnnWriter(table, values).files()
    files = {
        "onnx": GraphWriter(table, values).model().SerializeToString(deterministic=True),
        "tflite": TfliteWriter(table, values).file(),
        "ncnn": param.encode() + model,
    }
    return {form: hashlib.sha256(data).hexdigest() for form, data in files.items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: digests(name) for name in NAMES}, indent=1) + "\n")
