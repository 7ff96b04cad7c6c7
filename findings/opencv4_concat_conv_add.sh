#!/bin/bash
# OpenCV 4.10.0 to 4.14.0 (dnn, float32): y = Concat(a, b) + Conv(x), the sum of a concatenation and a 1x1 convolution.
# Expected: what ONNX Runtime gives, in whatever order the nodes are written.
# Seen: right where the convolution stands before the Concat. Where it stands between the Concat and the Add, which is
# as valid an order, the answer is what lies in memory (1e28, NaN, another one in each process), without an error. With
# net.enableFusion(False) it is right: the convolution is fused with the Add and writes into a buffer of the Concat,
# which the Concat's own inputs were made to write to directly. SqueezeNet with complex bypass has such a sum. 5.0.0 is
# right. Versions: opencv-python-headless 4.10.0.84 and 5.0.0.93, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
for version in 4.10.0.84 5.0.0.93; do
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
shapes = {"w1": (8, 8, 1, 1), "w2": (8, 8, 3, 3), "w3": (16, 8, 1, 1)}
weights = [numpy_helper.from_array((0.2 * draw.normal(size=s)).astype(np.float32), n) for n, s in shapes.items()]


def conv(weight, size, output):
    return helper.make_node("Conv", ["x", weight], [output], kernel_shape=[size, size], pads=[size // 2] * 4)


concat, last = helper.make_node("Concat", ["a", "b"], ["c"], axis=1), conv("w3", 1, "d")
first, add = [conv("w1", 1, "a"), conv("w2", 3, "b")], helper.make_node("Add", ["c", "d"], ["y"])
x = draw.normal(size=(1, 8, 10, 10)).astype(np.float32)
for name, nodes in {"before": [*first, last, concat, add], "between": [*first, concat, last, add]}.items():
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 10, 10]) for n, c in (("x", 8), ("y", 16))]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, f"{place}/{name}.onnx")
    y = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    np.savez(f"{place}/{name}.npz", x=x, y=y)
PY
cat > "$place/read.py" <<'PY'
import sys

import cv2
import numpy as np

place, found = sys.argv[1], {}
for name in ("before", "between"):
    for fusion in (True, False) if cv2.__version__.startswith("4") else (None,):
        data, network = np.load(f"{place}/{name}.npz"), cv2.dnn.readNetFromONNX(f"{place}/{name}.onnx")
        if fusion is not None:
            network.enableFusion(fusion)
        network.setInput(data["x"])
        away = float(np.abs(network.forward() - data["y"]).max() / np.abs(data["y"]).max())
        found[name, fusion] = away < 1e-5  # False for NaN too
        print(f"opencv {cv2.__version__}: convolution {name} the Concat, fusion {fusion}: away by {away:.1e}")
wrong = [key for key, right in found.items() if not right]
sys.exit(wrong != ([("between", True)] if cv2.__version__.startswith("4") else []))
PY
"$place/env/bin/python" "$place/make.py" "$place"
for version in 4.10.0.84 5.0.0.93; do
    PYTHONPATH="$place/$version" "$place/env/bin/python" "$place/read.py" "$place" || { echo "it has changed"; exit 1; }
done
