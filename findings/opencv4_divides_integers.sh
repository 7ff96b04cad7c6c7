#!/bin/bash
# OpenCV 4 (dnn): ONNX's Div of whole numbers (int64), here of the places that TopK gives, which a detector divides by the
# number of places a class to get the class.
# Expected: whole numbers, rounded toward zero, as ONNX says and ONNX Runtime and OpenCV 5.0.0 give: 7 / 2 = 3.
# Seen: 4.14.0 divides as if they were none, 7 / 2 = 3.5, and gives that for an output of type int64, without an
# error. (4.10.0 has no TopK, and says so.)
# Versions: opencv-python-headless 4.14.0.94 and 5.0.0.93, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
for version in 4.14.0.94 5.0.0.93; do
    "$place/env/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$place/$version" \
        "opencv-python-headless==$version"
done
cat > "$place/make.py" <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

place, info = sys.argv[1], helper.make_tensor_value_info
nodes = [
    helper.make_node("TopK", ["x", "number"], ["values", "places"]),
    helper.make_node("Div", ["places", "two"], ["y"]),
]
graph = helper.make_graph(
    nodes, "g", [info("x", TensorProto.FLOAT, [1, 9])], [info("y", TensorProto.INT64, [1, 9])],
    [numpy_helper.from_array(np.array([value]), name) for name, value in (("number", 9), ("two", 2))],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, f"{place}/x.onnx")
x = -np.arange(9, dtype=np.float32)[None]
y = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
print("onnxruntime", onnxruntime.__version__, y.ravel().tolist())
assert (y == np.arange(9) // 2).all()
PY
cat > "$place/read.py" <<'PY'
import sys

import cv2
import numpy as np

network = cv2.dnn.readNetFromONNX(f"{sys.argv[1]}/x.onnx")
network.setInput(-np.arange(9, dtype=np.float32)[None])
y = network.forward("y").ravel()
print("opencv", cv2.__version__, y.tolist())
whole = np.array_equal(y, np.arange(9) // 2)
sys.exit(whole != cv2.__version__.startswith("5") or not (whole or np.allclose(y, np.arange(9) / 2)))
PY
"$place/env/bin/python" "$place/make.py" "$place"
for version in 4.14.0.94 5.0.0.93; do
    PYTHONPATH="$place/$version" "$place/env/bin/python" "$place/read.py" "$place" || { echo "it has changed"; exit 1; }
done
