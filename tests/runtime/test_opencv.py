"""OpenCV's own reader of ONNX: right, or it says that it cannot; other networks than ours go wrong there silently."""

from pathlib import Path

import numpy as np
import pytest
import torch

from leannet.network import build
from leannet.runtime import numpy_weights, to_onnx
from leannet.runtime.operations import PARTS
from leannet.tasks import finds_boxes
from leannet.zoo import FAMILIES, architecture
from tests.conftest import as_engines_give, lively

cv2 = pytest.importorskip("cv2")

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))
# What went wrong there once: gates of squeeze-and-excitation, and sums of a Concat and a convolution.
ONCE_WRONG = ["mobilenet_v3_small", "squeezenet_1_0_complex_bypass", "shufflenet_v2_se"]


@pytest.mark.parametrize("name", [*DEBUG, *ONCE_WRONG])
def test_every_family_is_right_or_refused(name: str, tmp_path: Path) -> None:
    network = lively(build(architecture(name)))
    x = torch.randn(1, *network.architecture.input.shape)
    with torch.inference_mode():
        result = network(x)
    outputs = result if isinstance(result, dict) else {network.architecture.output_names[0]: result}
    file = tmp_path / "x.onnx"
    file.write_bytes(to_onnx(network.architecture, numpy_weights(network.state_dict())).SerializeToString())
    try:
        reader = cv2.dnn.readNetFromONNX(str(file))
        reader.setInput(x.numpy())
        arrays = reader.forward([f"{each}:0" for each in (PARTS if finds_boxes(network.architecture) else outputs)])
    except cv2.error:
        assert name == "nasnet_debug"  # 4.x does not know a Pad that cuts
        return
    for value, each in zip(arrays, as_engines_give(list(outputs.values())), strict=True):
        output = np.asarray(each)
        largest = float(np.abs(output).max())
        np.testing.assert_allclose(value.reshape(output.shape), output, atol=1e-4 * largest, rtol=0)
