"""Gradients that keep the layout of channels last are the same gradients."""

import pytest
import torch
from torch import Tensor

import leannet
from leannet.blocks.layouts import channels, mean_of_positions
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
