"""Depthwise convolutions in bfloat16, whose gradients go another way than oneDNN's: against torch in float64."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from leannet.blocks.depthwise import convolve, is_slow
from leannet.blocks.layers import ConvLayer
from leannet.network import build
from leannet.runtime.processor import has_bfloat16
from leannet.zoo import architecture

# Of bfloat16, to the largest value of a tensor: of sums of products that are rounded once, as processors with bfloat16
# have them; others round in between.
PRECISION = 2**-7 if has_bfloat16() else 2**-4


@settings(max_examples=60, deadline=None)
@given(
    images=st.integers(1, 3), channels=st.integers(2, 9), height=st.integers(7, 19), width=st.integers(7, 19),
    side=st.sampled_from([(3, 3), (5, 5), (7, 7), (3, 5), (2, 2)]), stride=st.integers(1, 3), pad=st.integers(0, 1),
    has_bias=st.booleans(),
)  # fmt: skip
def test_it_is_what_torch_gives_in_float64(
    images: int, channels: int, height: int, width: int, side: tuple[int, int], stride: int, pad: int, has_bias: bool
) -> None:
    """Output and all gradients, where windows leave values over at the end too."""
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, channels, side, stride, padding=pad * (side[0] // 2), groups=channels, bias=has_bias)
    exact = copy.deepcopy(conv).double()
    with torch.no_grad():
        for mine, true in zip(conv.parameters(), exact.parameters(), strict=True):
            mine.copy_(mine.bfloat16())
            true.copy_(mine)
    x = torch.randn(images, channels, height, width).bfloat16().contiguous(memory_format=torch.channels_last)
    leaf, true_leaf = x.clone().requires_grad_(), x.double().requires_grad_()
    y, true_y = convolve(leaf, conv), exact(true_leaf)
    gradient = torch.randn(true_y.shape).bfloat16()
    y.backward(gradient)
    true_y.backward(gradient.double())
    assert leaf.grad is not None
    assert true_leaf.grad is not None
    pairs = [(y, true_y), (leaf.grad, true_leaf.grad)]
    pairs += [
        (a.grad, b.grad) for a, b in zip(conv.parameters(), exact.parameters(), strict=True) if a.grad is not None
    ]
    for mine, true in pairs:
        atol = PRECISION * float(true.detach().abs().max())
        torch.testing.assert_close(mine.detach().double(), true.detach(), rtol=0, atol=atol)


def _conv(side: int, stride: int, channels: int = 4, groups: int = 4) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, side, stride, groups=groups)


def test_what_is_slow() -> None:
    """In bfloat16, depthwise, with a stride or large filters, where gradients are taken."""
    half, plain = torch.zeros(1, 4, 9, 9, dtype=torch.bfloat16), torch.zeros(1, 4, 9, 9)
    assert is_slow(half, _conv(3, 2))
    assert is_slow(half, _conv(5, 1))
    assert not is_slow(half, _conv(3, 1))
    assert not is_slow(half, _conv(3, 2, groups=2))
    assert not is_slow(plain, _conv(3, 2))
    with torch.autocast("cpu", torch.bfloat16):
        assert is_slow(plain, _conv(3, 2))
    with torch.no_grad():
        assert not is_slow(half, _conv(3, 2))


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small"])
def test_a_network_learns_the_same_either_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of all weights with mixed precision, beside those of oneDNN alone."""
    torch.manual_seed(0)
    network = build(architecture(name, width=0.25, resolution=64, classes=3)).train()
    layers = [each for each in network.modules() if isinstance(each, ConvLayer)]
    assert any(each.conv.stride[0] > 1 and each.conv.groups > 1 for each in layers)
    x = torch.randn(4, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    gradients = []
    for slow in (False, True):
        if slow:
            monkeypatch.setattr("leannet.blocks.depthwise.is_slow", lambda *_: False)
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            torch.manual_seed(1)
            loss = network(x).float().square().sum()
        loss.backward()
        gradients.append(torch.cat([each.grad.flatten() for each in network.parameters() if each.grad is not None]))
    cosine = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert float(cosine) > 0.97
