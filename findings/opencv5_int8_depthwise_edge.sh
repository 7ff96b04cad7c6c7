#!/bin/bash
# OpenCV 5.0.0 (dnn): a depthwise 3 x 3 convolution of 8-bit integers, stride 1, zeros around, whose input has a zero
# point that is not 0, as behind h-swish or without an activation. Maps of 3 x 3 to 16 x 16 pixels.
# Expected: what ONNX Runtime gives, to one level of 256, at every size and place.
# Seen: right at 4, 8, 11, 12 and 16 pixels, and with a zero point of 0 (behind ReLU) at all. Else the end of the last
# line is wrong by more than the largest value: its last pixel at odd sizes (7 x 7, where MobileNets end at 224 px), the
# last four at 6, 10 and 14. No error. OpenCV 4.10.0 is right at all.
# Versions: opencv-python-headless 5.0.0.93 and 4.10.0.84, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6.
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

place, info = sys.argv[1], helper.make_tensor_value_info
for zero in (128, 0):
    for size in range(3, 17):
        draw = np.random.default_rng(0)
        constants = {
            "scale": np.float32(0.02), "zero": np.uint8(zero),
            "weight": draw.integers(-127, 128, (8, 1, 3, 3)).astype(np.int8),
            "weight_scale": np.full(8, 0.004, np.float32), "weight_zero": np.zeros(8, np.int8),
            "made_scale": np.float32(0.04), "made_zero": np.uint8(128),
        }
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["bytes"]),
            helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["values"]),
            helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"], axis=0),
            helper.make_node("Conv", ["values", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4, group=8),
            helper.make_node("QuantizeLinear", ["c", "made_scale", "made_zero"], ["made"]),
            helper.make_node("DequantizeLinear", ["made", "made_scale", "made_zero"], ["y"]),
        ]
        shape = [1, 8, size, size]
        graph = helper.make_graph(
            nodes, "g", [info("x", TensorProto.FLOAT, shape)], [info("y", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, f"{place}/{zero}_{size}.onnx")
        x = draw.normal(size=shape).astype(np.float32)
        y = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
        np.savez(f"{place}/{zero}_{size}.npz", x=x, y=y)
PY
cat > "$place/read.py" <<'PY'
import sys

import cv2
import numpy as np

place, wrong = sys.argv[1], {}
for zero in (128, 0):
    for size in range(3, 17):
        data, network = np.load(f"{place}/{zero}_{size}.npz"), cv2.dnn.readNetFromONNX(f"{place}/{zero}_{size}.onnx")
        network.setInput(data["x"])
        away = np.abs(network.forward() - data["y"]).max(axis=(0, 1))
        places = np.argwhere(away > 1.5 * 0.04).tolist()  # more than a level
        if places:
            wrong[zero, size] = places
            print(f"opencv {cv2.__version__}: zero point {zero}, {size} x {size}: away by {away.max():.2f}, that is "
                  f"{away.max() / np.abs(data['y']).max():.2f} of the largest, at {places}")
if not wrong:
    print(f"opencv {cv2.__version__}: all right")
expected = {(128, size) for size in (3, 5, 6, 7, 9, 10, 13, 14, 15)} if cv2.__version__.startswith("5") else set()
last = all(row == key[1] - 1 for key, places in wrong.items() for row, _ in places)
sys.exit(not (set(wrong) == expected and last))
PY
"$place/env/bin/python" "$place/make.py" "$place"
for version in 5.0.0.93 4.10.0.84; do
    PYTHONPATH="$place/$version" "$place/env/bin/python" "$place/read.py" "$place" || { echo "it has changed"; exit 1; }
done
