#!/bin/bash
# OpenCV 4.10.0 and 4.14.0 (dnn): a fully connected layer of 8-bit integers (QuantizeLinear, DequantizeLinear, Gemm with
# int8 weights and int32 bias), three images at once.
# Expected: for each image what it gives alone, or an error.
# Seen: the first image is right; of the others nothing is computed, and their rows are what lies in memory. Alone, each
# image is right; the same network in float32 is right in batches; 5.0.0 is right. Any quantized classifier that ends in
# a Gemm does so. Versions: opencv-python-headless 4.10.0.84, 4.14.0.94 and 5.0.0.93, onnxruntime 1.32.0, onnx 1.23.2.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
for version in 4.10.0.84 4.14.0.94 5.0.0.93; do
    "$place/env/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$place/$version" \
        "opencv-python-headless==$version"
done
cat > "$place/make.py" <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

draw, place = np.random.default_rng(0), sys.argv[1]
constants = {
    "scale": np.float32(0.02), "zero": np.uint8(128), "weight": draw.integers(-127, 128, (5, 64)).astype(np.int8),
    "weight_scale": np.full(5, 0.004, np.float32), "weight_zero": np.zeros(5, np.int8),
    "bias": draw.integers(-9000, 9000, 5).astype(np.int32), "bias_scale": np.full(5, 0.02 * 0.004, np.float32),
    "bias_zero": np.zeros(5, np.int32),
}
nodes = [
    helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["bytes"]),
    helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["values"]),
    helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"], axis=0),
    helper.make_node("DequantizeLinear", ["bias", "bias_scale", "bias_zero"], ["b"], axis=0),
    helper.make_node("Gemm", ["values", "w", "b"], ["y"], transB=1),
]
info = helper.make_tensor_value_info
graph = helper.make_graph(
    nodes, "g", [info("x", TensorProto.FLOAT, ["n", 64])], [info("y", TensorProto.FLOAT, ["n", 5])],
    [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, f"{place}/gemm.onnx")
x = draw.normal(size=(3, 64)).astype(np.float32)
np.savez(f"{place}/gemm.npz", x=x, y=onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0])
PY
cat > "$place/read.py" <<'PY'
import sys

import cv2
import numpy as np

place = sys.argv[1]
data = np.load(f"{place}/gemm.npz")
x, y = data["x"], data["y"]


def read(x):
    network = cv2.dnn.readNetFromONNX(f"{place}/gemm.onnx")
    network.setInput(x)
    return network.forward().copy()


right = {}
for name, made in (("at once", read(x)), ("one by one", np.concatenate([read(x[i : i + 1]) for i in range(3)]))):
    away = np.abs(made - y).max(axis=1) / np.abs(y).max()
    right[name] = [bool(each < 0.02) for each in away]
    print(f"opencv {cv2.__version__}: three images {name}: away by", *(f"{each:.1e}" for each in away))
at_once = [True, False, False] if cv2.__version__.startswith("4") else [True] * 3
sys.exit(right != {"at once": at_once, "one by one": [True] * 3})
PY
"$place/env/bin/python" "$place/make.py" "$place"
for version in 4.10.0.84 4.14.0.94 5.0.0.93; do
    PYTHONPATH="$place/$version" "$place/env/bin/python" "$place/read.py" "$place" || { echo "it has changed"; exit 1; }
done
