"""Gradients that keep the layout of channels last are the same gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import leannet
from leannet.blocks.layouts import channels, mean_of_positions
from leannet.network import build
from leannet.rows import Architecture, Conv, Input
from leannet.zoo import FAMILIES

LAST = torch.channels_last
WAYS = {
    "slice": (lambda x: channels(x, 2, 5), lambda x: x[:, 2:5]),
    "mean": (mean_of_positions, lambda x: x.mean((2, 3), keepdim=True)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layout", [LAST, torch.contiguous_format])
def test_the_same_values_and_gradients(way: str, layout: torch.memory_format) -> None:
    ours, theirs = WAYS[way]
    x = torch.randn(3, 7, 5, 4, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert torch.equal(ours(x), theirs(x))
    weights = torch.randn_like(theirs(x))
    (gradient,) = torch.autograd.grad((ours(x) * weights).sum(), x)
    (gradient_of_torch,) = torch.autograd.grad((theirs(x) * weights).sum(), x)
    assert torch.equal(gradient, gradient_of_torch)
    assert gradient.is_contiguous(memory_format=layout)
    assert torch.autograd.gradcheck(ours, (x,))
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("name", sorted(name for name in FAMILIES if name.endswith("_debug")))
def test_no_gradient_of_any_family_changes_layout(name: str) -> None:
    """Each batch norm reads the gradient in the layout that its own input has."""
    network = leannet.create(name, classes=3).to(memory_format=LAST)
    shape = network.architecture.input.shape
    seen: list[bool] = []

    def look(x: Tensor) -> Tensor:
        x.register_hook(lambda gradient: seen.append(gradient.stride(1) == 1 or gradient.shape[2:].numel() == 1))
        return x

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda _module, _inputs, outputs: look(outputs))
    outputs = network(torch.randn(4, *shape).contiguous(memory_format=LAST))
    (outputs if isinstance(outputs, Tensor) else sum(value.sum() for value in outputs.values())).sum().backward()
    assert all(seen)


@pytest.mark.parametrize("layout", [LAST, torch.contiguous_format])
@pytest.mark.parametrize(("stride", "size"), [(2, 9), (3, 10)])
def test_pixels_that_a_pointwise_convolution_leaves_out(stride: int, size: int, layout: torch.memory_format) -> None:
    """As torch computes it in float64; and the output has the input's layout."""
    row = Conv(name="c", out_channels=5, kernel=1, stride=stride)
    network = build(Architecture(name="x", input=Input(channels=3, height=size, width=size), rows=(row,)))
    x = torch.randn(2, 3, size, size).contiguous(memory_format=layout).requires_grad_()
    weight = network.get_parameter("c.conv.weight")
    output = network.to(memory_format=layout)(x)
    assert isinstance(output, Tensor)
    exact = F.conv2d(x.double(), weight.double(), stride=stride)
    torch.testing.assert_close(output.double(), exact, atol=1e-5, rtol=1e-5)
    assert output.is_contiguous(memory_format=layout)
    ours = torch.autograd.grad(output.square().sum(), (x, weight), retain_graph=True)
    theirs = torch.autograd.grad(exact.square().sum(), (x, weight))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
