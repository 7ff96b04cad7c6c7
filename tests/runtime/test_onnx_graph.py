"""Rows written as ONNX, for ncnn and for LiteRT give what torch gives, in engines that share no code with it."""

import copy

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from leannet.errors import LeannetError
from leannet.network import build
from leannet.rows import (
    Activate,
    Add,
    Architecture,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    GlobalPool,
    Input,
    Linear,
    Multiply,
    Norm,
    Pool,
    Upsample,
)
from leannet.rows.layers import RowBase
from leannet.runtime import ENGINES, Program, numpy_weights
from leannet.runtime.engines import is_installed
from leannet.runtime.formats.onnx import to_onnx
from leannet.runtime.precisions import program as made_program
from leannet.zoo import FAMILIES, architecture
from tests.conftest import as_engines_give, lively

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))
WHOLE = ["mobilenet_v3_small", "shufflenet_v1", "shufflenet_v2_se", "squeezenet_1_0_complex_bypass", "googlenet_aux"]


def difference(rows: Architecture, engine: str, batch: int) -> float:
    """The largest difference between torch and an engine, over the largest value, of all outputs."""
    rows = rows.without_auxiliary()  # of which the module gives no outputs in evaluation
    network = lively(build(rows))
    x = torch.randn(batch, *rows.input.shape)
    with torch.inference_mode():
        result = network(x)
    by_torch = as_engines_give([result] if isinstance(result, Tensor) else list(result.values()))
    run = ENGINES[engine].prepare(Program(rows, numpy_weights(network.state_dict())), threads=1)
    by_engine = run(x.numpy())
    for a, b in zip(by_torch, by_engine, strict=True):
        assert a.shape == b.shape
    pairs = [(np.asarray(a), b) for a, b in zip(by_torch, by_engine, strict=True)]
    return max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30)) for a, b in pairs)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "ncnn", "litert"])
@pytest.mark.parametrize("name", DEBUG)
def test_every_family_agrees(name: str, engine: str) -> None:
    """Of every kind of layer alone: test_layer_kinds.py."""
    assert difference(architecture(name), engine, batch=3) < 1e-4


@pytest.mark.parametrize("name", WHOLE)
def test_whole_networks_agree(name: str) -> None:
    for engine in ("onnxruntime", "ncnn", "litert"):
        assert difference(architecture(name), engine, 2) < 1e-4


@pytest.mark.parametrize("size", [47, 56, 63])
@pytest.mark.parametrize("padding", ["symmetric", "same", "valid", 2])
def test_windows_at_odd_sizes(size: int, padding: str | int) -> None:
    rows: list[RowBase] = [
        Conv(name="a", out_channels=8, kernel=5, stride=2, padding=padding, norm=Norm(), activation="h_swish"),
        Depthwise(name="b", kernel=3, stride=2, padding="same", norm=Norm(), activation="swish"),
        Pool(name="c", inputs=("a",), op="max", kernel=3, stride=2, ceil=True),
        Pool(name="d", inputs=("a",), op="average", kernel=3, stride=2, ceil=True),
        Pool(name="e", inputs=("a",), op="average", kernel=3, stride=2, padding="same"),
        Pool(name="f", inputs=("a",), op="max", kernel=3, stride=2, padding="same"),
    ]
    arch = Architecture(
        name="x", input=Input(height=size, width=size + 6), rows=tuple(rows), outputs=("b", "c", "d", "e", "f")
    )
    for engine in ("onnxruntime", "ncnn", "litert"):
        assert difference(arch, engine, 2) < 1e-5


def test_vectors_and_images_where_they_meet() -> None:
    """A fully connected layer behind squeeze-and-excitation, a sum of vectors, a vector that is convolved."""
    rows: list[RowBase] = [
        Conv(name="a", out_channels=6, kernel=3, bias=True, activation="sigmoid"),
        GlobalPool(name="pool"),
        Linear(name="squeeze", out_channels=6, activation="h_sigmoid"),
        Multiply(name="scaled", inputs=("a", "squeeze")),
        GlobalPool(name="parts", size=3),
        Flatten(name="flat"),
        Linear(name="wide", out_channels=6, activation="tanh"),
        Add(name="sum", inputs=("wide", "squeeze", "pool"), activation="relu6"),
        Conv(name="pointwise", out_channels=4, bias=True),
        Activate(name="active", activation="swish"),
        Concat(name="both", inputs=("active", "wide")),
        Linear(name="last", out_channels=3, bias=False),
        Upsample(name="bigger", inputs=("scaled",), factor=3),
    ]
    arch = Architecture(
        name="x", input=Input(height=10, width=8), rows=tuple(rows), outputs=("last", "bigger", "sum", "flat")
    )
    for engine in ("onnxruntime", "openvino", "ncnn"):
        assert difference(arch, engine, 3) < 1e-5


def test_shared_weights_are_written_where_they_are_used() -> None:
    rows: list[RowBase] = [
        Conv(name="a", out_channels=3, kernel=3, norm=Norm(), activation="relu"),
        Conv(name="b", out_channels=3, kernel=3, norm=Norm(), activation="relu", shares="a"),
    ]
    assert difference(Architecture(name="x", input=Input(height=9, width=9), rows=tuple(rows)), "onnxruntime", 1) < 1e-5


def test_the_graph_is_valid_and_named_like_the_rows() -> None:
    rows = architecture("mobilenet_v3_debug")
    model = to_onnx(rows, numpy_weights(build(rows).state_dict()))
    onnx.checker.check_model(model, full_check=True)
    names = {node.name for node in model.graph.node}
    for layer in rows.layers:
        if isinstance(layer.row, Dropout):  # in evaluation it does nothing
            continue
        assert any(name.split(":")[0] == layer.path for name in names), layer.path
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_bfloat16_rounds_weights_as_torch_does_and_values_where_the_processor_can() -> None:
    """SqueezeNet has no normalisation that would be folded in before its weights are rounded."""
    torch.manual_seed(0)
    network = lively(build(architecture("squeezenet_debug")))
    program = Program(network.architecture, numpy_weights(copy.deepcopy(network.state_dict())), "bfloat16")
    x = torch.randn(3, *network.architecture.input.shape)
    for name, value in network.named_parameters():
        if name.endswith("weight"):
            value.data = value.data.bfloat16().float()
    with torch.inference_mode():
        by_torch = network(x).numpy()
    in_float32 = ENGINES["onnxruntime"].prepare(program, 1)(x.numpy())[0]
    assert np.abs(in_float32 - by_torch).max() < 1e-5 * np.abs(by_torch).max()
    openvino = ENGINES["openvino"]
    noise = float(np.square(openvino.prepare(program, 1)(x.numpy())[0] - by_torch).mean() / np.square(by_torch).mean())
    assert 1e-8 < noise < 1e-3 if openvino.has_bfloat16 else noise < 1e-10


def test_bfloat16_is_refused_where_an_engine_does_not_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(ENGINES["openvino"]), "has_bfloat16", False)
    for engine in ("onnxruntime", "openvino", "litert"):
        with pytest.raises(LeannetError, match=f"bfloat16 in {engine}: expected openvino, on a processor that has it"):
            made_program(architecture("two_layer_debug"), "bfloat16", engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "ncnn", "litert", "torch"])
def test_the_layout_of_an_input_in_memory_changes_nothing(engine: str) -> None:
    """A transposed view, as a user makes of images that are channels last."""
    if not is_installed(engine):
        pytest.skip(f"{engine} is not installed")
    network = lively(build(architecture("mobilenet_v2_debug", classes=3))).eval()
    program = Program(network.architecture, numpy_weights(network.state_dict()))
    run = ENGINES[engine].prepare(program, 1)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    view = images.transpose(0, 3, 1, 2)
    assert not view[0].flags.c_contiguous
    np.testing.assert_allclose(run(view)[0], run(np.ascontiguousarray(view))[0], rtol=1e-4, atol=1e-5)
