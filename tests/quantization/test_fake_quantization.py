"""Fake quantization is what integers do: against the integers themselves, and its gradients by hand."""

import numpy as np
import pytest
import torch

from leannet.blocks import ConvLayer
from leannet.network import build, reparameterized
from leannet.quantization.calibration import Calibration
from leannet.quantization.fake_quantization import (
    FakeQuantizedConv,
    fake_quantize,
    fake_quantize_filters,
    fake_quantized_network,
)
from leannet.quantization.quantizing import quantize
from leannet.runtime import ENGINES, Program, numpy_weights
from leannet.runtime.operations import Range
from leannet.runtime.processor import weight_bits
from leannet.zoo import FAMILIES, architecture
from tests.conftest import answering, lively
from tests.quantization.test_quantizing import run as run  # the fixture
from tests.runtime.integer_graphs import onnx_integers

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))


@pytest.mark.parametrize("name", DEBUG)
def test_it_is_what_the_integers_give(name: str) -> None:
    """The same errors in most images: in some a byte that falls to the other side, of a tie, goes on through all layers
    behind it, and is all that there is to see."""
    table = answering(architecture(name))
    torch.manual_seed(0)  # how many bytes fall to the other side depends on the draw
    network = reparameterized(lively(build(table)))  # as it is quantized
    table, weights = network.architecture, numpy_weights(network.state_dict())
    x = torch.randn(64, *table.input.shape)
    ranges = Calibration(table, weights, [x.numpy()]).ranges()
    bits = weight_bits()  # more would overflow where the test runs
    integers = Program.of_file(table, onnx_integers(table, weights, ranges, bits=bits).SerializeToString())
    by_engine = ENGINES["onnxruntime"].prepare(integers, 1)(x.numpy())[0]
    with torch.no_grad():
        exact = network(x).numpy()
        ours = fake_quantized_network(network, ranges, bits).eval()(x).numpy()
    errors = [(each - exact).reshape(len(x), -1) for each in (ours, by_engine)]
    sizes = [np.linalg.norm(error, axis=1) for error in errors]
    assert np.median((errors[0] * errors[1]).sum(axis=1) / (sizes[0] * sizes[1])) > 0.6  # cosine
    assert 0.7 < np.median(sizes[0] ** 2) / np.median(sizes[1] ** 2) < 1.4


def test_the_state_keeps_its_names_and_the_original_its_modules() -> None:
    network = lively(build(architecture("mobilenet_v3_debug")))
    ranges = {"input": (-2.0, 2.0)}
    for node in network.architecture.layers:
        ranges[node.path] = ranges[f"{node.path}:before"] = (-4.0, 4.0)
    fake_quantized = fake_quantized_network(network, ranges, 8)
    assert list(fake_quantized.state_dict()) == list(network.state_dict())
    kinds = [
        sum(isinstance(m, kind) for m in net.modules())
        for net in (network, fake_quantized)
        for kind in (ConvLayer, FakeQuantizedConv)
    ]
    assert kinds[0] == kinds[3] > 0
    assert kinds[1] == kinds[2] == 0


def test_gradients_pass_where_nothing_is_cut_off() -> None:
    x = torch.tensor([-1.0, -0.3, 0.0, 0.49, 2.9, 3.1, 9.0], requires_grad=True)
    range_ = Range.of(-0.5, 3.0)
    fake_quantized = fake_quantize(x, range_)
    np.testing.assert_allclose(fake_quantized.detach(), range_.fake_quantize(x.detach().numpy()), atol=1e-6)
    fake_quantized.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 0, 0]
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    fake_quantize_filters(weight, 8).square().sum().backward()
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad, 2 * fake_quantize_filters(weight, 8).detach(), atol=1e-5)


def test_quantization_aware_training_ends_in_integers(run, tmp_path) -> None:  # type: ignore[no-untyped-def]
    quantized = quantize(run, out=tmp_path / "x.onnx", max_drop=100, finetune=1, quiet=True)
    assert quantized.finetuned_epochs == 1
    assert quantized.path == tmp_path / "x.onnx"
    assert list(tmp_path.iterdir()) == [tmp_path / "x.onnx"]
