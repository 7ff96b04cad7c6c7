"""Files for older runtimes: the lowest opset and IR that a graph needs, by ONNX's own checker."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch

from leannet.network import build
from leannet.preprocessing import Preprocessing
from leannet.rows import Architecture, Conv, Dropout, GlobalPool, Input
from leannet.runtime import ENGINES, Program, numpy_weights, to_onnx
from leannet.runtime.lowering import lower
from leannet.runtime.onnx_versions import LEAST
from leannet.runtime.precisions import program
from leannet.zoo import FAMILIES, architecture

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))
# Because of HardSwish; of Resize to a size; of Split.
FLOATS = {"mobilenet_v3_debug": 14, "lcnet_debug": 14, "ghostnet_v2_debug": 13, "skipnet_debug": 13,
          "onenet_debug": 13}  # fmt: skip


def valid(model: Any, opset: int) -> bool:
    """Whether a model is valid with another opset of ONNX's own operators."""
    other = type(model).FromString(model.SerializeToString())
    other.opset_import[0].version = opset
    try:
        onnx.checker.check_model(other, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    return True


def forms(name: str) -> dict[str, Any]:
    """All that a network is written as."""
    network = build(architecture(name)).eval()
    table, weights = network.architecture, numpy_weights(network.state_dict())
    shape = table.input
    color: dict[str, Any] = {} if shape.channels == 3 else {"color": "L", "mean": (0.5,), "std": (0.5,)}
    preprocessing = Preprocessing(height=shape.height, width=shape.width, **color)
    models = {kind: to_onnx(table, weights, stored_as=kind) for kind in ("float32", "float16", "bfloat16")}
    models |= {f"uint8 {sized}": to_onnx(table, weights, preprocessing, sized=sized) for sized in (False, True)}
    for engine in ("onnxruntime", "openvino"):
        models[engine] = onnx.load_from_string(program(table, "int8", engine, weights).onnx)
    return models


@pytest.mark.parametrize("name", DEBUG)
def test_no_lower_opset_is_valid(name: str) -> None:
    models = forms(name)
    for kind, model in models.items():
        opset = model.opset_import[0].version
        assert valid(model, opset), kind
        assert opset == LEAST or not valid(model, opset - 1), kind
        assert model.ir_version == onnx.helper.find_min_ir_version_for([model.opset_import[0]])
        assert model.ir_version <= 9  # what ONNX Runtime 1.17 reads
    least = FLOATS.get(name, LEAST)
    assert {kind: model.opset_import[0].version for kind, model in models.items() if kind != "openvino"} == {
        "float32": least, "float16": least, "bfloat16": max(least, 13), "uint8 False": 18, "uint8 True": least,
        "onnxruntime": 13,
    }  # fmt: skip


@pytest.mark.parametrize("name", [*DEBUG, "googlenet_aux"])
def test_no_node_only_gives_another_name(name: str) -> None:
    """Readers of OpenVINO's form from before 2025 know no Identity."""
    rows = architecture(name)
    model = to_onnx(rows, numpy_weights(build(rows).state_dict()))
    assert not [node.name for node in model.graph.node if node.op_type == "Identity"]
    assert [output.name for output in model.graph.output] == [f"{each}:0" for each in lower(rows).outputs]


def test_outputs_that_are_read_on_or_are_the_same_value() -> None:
    """An output in the middle, and one that is another one's value, which nothing but an Identity gives a name."""
    rows = (
        Conv(name="a", out_channels=4, kernel=3, bias=True),
        Dropout(name="same", rate=0.5),
        Conv(name="b", out_channels=2, bias=True),
        GlobalPool(name="pool"),
        Dropout(name="again", rate=0.5),
    )
    outputs = ("a", "same", "b", "pool", "again")
    table = Architecture(name="x", input=Input(height=9, width=7), rows=rows, outputs=outputs)
    network = build(table).eval()
    x = torch.randn(3, 3, 9, 7)
    with torch.inference_mode():
        by_torch = list(network(x).values())
    for engine in ("onnxruntime", "openvino"):
        by_engine = ENGINES[engine].prepare(Program(table, numpy_weights(network.state_dict())), 1)(x.numpy())
        for a, b in zip(by_engine, by_torch, strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-5, atol=1e-6)
