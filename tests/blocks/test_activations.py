"""Activations that work in place: to the bit as torch's, forward and backward."""

import pytest
import torch
from torch import nn

from leannet.blocks.activations import ReLU6


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_relu6_is_torchs_to_the_bit(layout: torch.memory_format) -> None:
    """At 0, at 6, beyond them and at what is no number too; after a layer, in place, as in a network."""
    x = 8 * torch.randn(2, 5, 7, 7)
    x.view(-1)[:8] = torch.tensor([0.0, -0.0, 6.0, -1.0, 7.0, float("inf"), float("-inf"), float("nan")])
    gradient = torch.randn_like(x)
    results = []
    for module in (nn.ReLU6(), ReLU6(inplace=True), ReLU6()):
        leaf = x.clone(memory_format=layout).requires_grad_()
        y = module(leaf * 1)
        y.backward(gradient)
        results.append((y.detach(), leaf.grad))
    for y, grad in results[1:]:
        torch.testing.assert_close(y, results[0][0], rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(grad, results[0][1], rtol=0, atol=0, equal_nan=True)


def test_relu6_against_finite_differences() -> None:
    x = torch.linspace(-3, 9, 60, dtype=torch.float64).add(0.05).requires_grad_()
    torch.autograd.gradcheck(lambda value: ReLU6(inplace=True)(value * 1.5), (x,))


def test_relu6_saves_its_output_alone() -> None:
    """No copy of the input is kept: what comes out lies where it came in."""
    x = torch.randn(3, 4, 5, 5, requires_grad=True) * 2
    assert ReLU6(inplace=True)(x).data_ptr() == x.data_ptr()
