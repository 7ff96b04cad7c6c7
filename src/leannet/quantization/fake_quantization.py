"""Fake quantization: a network that rounds as its integers will, for quantization-aware training (QAT).

Weights and activations are quantized and dequantized in the forward pass. The gradient passes as if they were not, and
stops where a value was clipped (Jacob et al., arXiv 1712.05877, section 3; Bengio et al., arXiv 1308.3432). Batch norm
is folded into the filters before they are quantized, with its running statistics, which do not change any more.
"""

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leannet.blocks import ConvLayer, LinearLayer
from leannet.network import Network
from leannet.rows import INPUT, Activation, Architecture, Dropout
from leannet.runtime.int8_graph import GATE, LUT_ACTIVATIONS, Range, copies, tied_ranges


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, scale: float, zero_point: int) -> Tensor:
        integers = torch.round(x / scale) + zero_point
        context.save_for_backward((integers >= 0) & (integers <= 255))
        return (integers.clamp(0, 255) - zero_point) * scale

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (in_range,) = context.saved_tensors
        return gradients[0] * in_range, None, None


class _Gate(torch.autograd.Function):
    """h-sigmoid by the look-up table of `Int8Writer`: the integers of x on the scale whose range is [-3, 3]."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        integers = torch.round(x * (255 / 6)) + 128
        context.save_for_backward((integers >= 0) & (integers <= 255))
        return integers.clamp(0, 255) / 255

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (in_range,) = context.saved_tensors
        return gradients[0] * in_range / 6


class _FakeQuantizeFilters(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor, most: int) -> Tensor:
        largest = weight.flatten(1).abs().amax(dim=1).view(-1, *[1] * (weight.ndim - 1))
        scale = (largest / most).clamp(min=1e-8)
        return torch.round(weight / scale) * scale

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def fake_quantize(x: Tensor, range_: Range) -> Tensor:
    """A value quantized to 8 bits and dequantized."""
    return _FakeQuantize.apply(x, range_.scale, range_.zero_point)  # type: ignore[no-untyped-call]  # torch does not say


def fake_quantize_filters(weight: Tensor, bits: int) -> Tensor:
    """Filters (C', ...) quantized to signed integers and dequantized, with a scale for each output channel."""
    return _FakeQuantizeFilters.apply(weight, 2 ** (bits - 1) - 1)  # type: ignore[no-untyped-call]  # torch does not say


class LutActivation(nn.Module):
    """An activation that `Int8Writer` makes of a look-up table (LUT): its input is quantized, and so is its gate."""

    def __init__(self, kind: Activation, before: Range):
        super().__init__()
        self.kind, self.before = kind, before

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "h_sigmoid":
            return _Gate.apply(x)  # type: ignore[no-untyped-call]  # torch does not say
        x = fake_quantize(x, self.before)
        if self.kind == "h_swish":
            return x * _Gate.apply(x)  # type: ignore[no-untyped-call]  # torch does not say
        gate = fake_quantize(torch.sigmoid(x), GATE)
        return x * gate if self.kind == "swish" else gate


class FakeQuantizedConv(nn.Module):
    """A convolution whose filters are quantized, batch norm folded in. Its submodules keep their names."""

    def __init__(self, layer: ConvLayer, bits: int):
        super().__init__()
        self.pad, self.conv, self.norm, self.activation = layer.pad, layer.conv, layer.norm, layer.activation
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self.conv, self.norm
        weight, bias = conv.weight, conv.bias
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_var is not None
            assert norm.running_mean is not None
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = weight * scale[:, None, None, None]
            bias = norm.bias + ((bias if bias is not None else 0) - norm.running_mean) * scale
        weight = fake_quantize_filters(weight, self.bits)
        output = F.conv2d(self.pad(x), weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        return self.activation(output)


class FakeQuantizedLinear(nn.Module):
    """A fully connected layer whose weights are quantized."""

    def __init__(self, layer: LinearLayer, bits: int):
        super().__init__()
        self.linear, self.activation = layer.linear, layer.activation
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        output = F.linear(x.flatten(1), fake_quantize_filters(self.linear.weight, self.bits), self.linear.bias)
        return self.activation(output)[:, :, None, None]


def fake_quantized_network(
    network: Network, ranges: Mapping[str, tuple[float, float]], bits: int, float_layers: frozenset[str] = frozenset()
) -> Network:
    """A copy that quantizes what `Int8Writer` quantizes. Its state has the same names, so it is saved as any network.

    ranges: as `Calibration` finds them. float_layers: layers that are not quantized.
    """
    copied = copy.deepcopy(network)
    architecture: Architecture = network.architecture
    tied = tied_ranges(architecture, ranges)
    outputs = {architecture.made_by[name] for name in architecture.output_names}
    copied.register_forward_pre_hook(partial(_quantize_input, range_=Range.of(*tied[INPUT])))
    for placed in architecture.layers:
        path, layer = placed.path, placed.layer
        if path in float_layers or placed.shares or copies(layer) or isinstance(layer, Dropout):
            continue
        module = copied.get_submodule(path)
        if isinstance(module, ConvLayer | LinearLayer):
            kind = FakeQuantizedConv if isinstance(module, ConvLayer) else FakeQuantizedLinear
            module = kind(module, bits)  # type: ignore[arg-type]  # each with its own layer
            copied.set_submodule(path, module)
            activation: Activation = getattr(layer, "activation", "linear")
            if activation in LUT_ACTIVATIONS and path not in outputs:
                module.activation = LutActivation(activation, Range.of(*ranges[f"{path}:before"]))
        if path not in outputs:
            module.register_forward_hook(partial(_quantize_output, range_=Range.of(*tied[path])))
    return copied


def _quantize_input(module: nn.Module, inputs: tuple[Tensor, ...], range_: Range) -> tuple[Tensor, ...]:
    return (fake_quantize(inputs[0], range_), *inputs[1:])


def _quantize_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, range_: Range) -> Tensor:
    return fake_quantize(output, range_)
