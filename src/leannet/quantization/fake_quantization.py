"""A network that rounds as its integers will, so that training can make up for it (quantisation-aware training).

Weights and values are rounded in the forward pass; the gradient goes through as if they were not, and stops where a
value was cut off (Jacob et al., arXiv 1712.05877, section 3; Bengio et al., arXiv 1308.3432). Normalisation is folded
into the filters before they are rounded, with the statistics that the network has: they do not move any more.
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
from leannet.runtime.int8_graph import GATE, TABLES, Range, joined, moves


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, scale: float, zero: int) -> Tensor:
        steps = torch.round(x / scale) + zero
        context.save_for_backward((steps >= 0) & (steps <= 255))
        return (steps.clamp(0, 255) - zero) * scale

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = context.saved_tensors
        return gradients[0] * inside, None, None


class _Gate(torch.autograd.Function):
    """h-sigmoid by the table of `Int8Writer`: the bytes of x on the scale where [-3, 3] is all they hold."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        steps = torch.round(x * (255 / 6)) + 128
        context.save_for_backward((steps >= 0) & (steps <= 255))
        return steps.clamp(0, 255) / 255

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (inside,) = context.saved_tensors
        return gradients[0] * inside / 6


class _RoundedFilters(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor, most: int) -> Tensor:
        largest = weight.flatten(1).abs().amax(dim=1).view(-1, *[1] * (weight.ndim - 1))
        scale = (largest / most).clamp(min=1e-8)
        return torch.round(weight / scale) * scale

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def rounded(x: Tensor, range_: Range) -> Tensor:
    """A value as 8 bits hold it."""
    return _Rounded.apply(x, range_.scale, range_.zero)  # type: ignore[no-untyped-call]  # torch does not say


def rounded_filters(weight: Tensor, bits: int) -> Tensor:
    """Filters (C', ...) as signed integers hold them, with a scale for each output channel."""
    return _RoundedFilters.apply(weight, 2 ** (bits - 1) - 1)  # type: ignore[no-untyped-call]  # torch does not say


class TableActivation(nn.Module):
    """An activation that `Int8Writer` makes of a table: its input is rounded, and so is what scales it."""

    def __init__(self, kind: Activation, before: Range):
        super().__init__()
        self.kind, self.before = kind, before

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "h_sigmoid":
            return _Gate.apply(x)  # type: ignore[no-untyped-call]  # torch does not say
        x = rounded(x, self.before)
        if self.kind == "h_swish":
            return x * _Gate.apply(x)  # type: ignore[no-untyped-call]  # torch does not say
        gate = rounded(torch.sigmoid(x), GATE)
        return x * gate if self.kind == "swish" else gate


class RoundedConv(nn.Module):
    """A convolution whose filters are rounded, its normalisation folded in. Its parts keep their names."""

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
        weight = rounded_filters(weight, self.bits)
        made = F.conv2d(self.pad(x), weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        return self.activation(made)


class RoundedLinear(nn.Module):
    """A fully connected layer whose weights are rounded."""

    def __init__(self, layer: LinearLayer, bits: int):
        super().__init__()
        self.linear, self.activation = layer.linear, layer.activation
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        made = F.linear(x.flatten(1), rounded_filters(self.linear.weight, self.bits), self.linear.bias)
        return self.activation(made)[:, :, None, None]


def rounded_network(
    network: Network, ranges: Mapping[str, tuple[float, float]], bits: int, floats: frozenset[str] = frozenset()
) -> Network:
    """A copy that rounds what `Int8Writer` rounds. Its state has the same names, so it is saved as any network.

    ranges: as `Calibration` finds them. floats: layers that stay as they are.
    """
    made = copy.deepcopy(network)
    table: Architecture = network.architecture
    known = joined(table, ranges)
    outputs = {table.made_by[name] for name in table.output_names}
    made.register_forward_pre_hook(partial(_round_input, range_=Range.of(*known[INPUT])))
    for placed in table.layers:
        path, layer = placed.path, placed.layer
        if path in floats or placed.shares or moves(layer) or isinstance(layer, Dropout):
            continue
        module = made.get_submodule(path)
        if isinstance(module, ConvLayer | LinearLayer):
            module = RoundedConv(module, bits) if isinstance(module, ConvLayer) else RoundedLinear(module, bits)
            made.set_submodule(path, module)
            kind: Activation = getattr(layer, "activation", "linear")
            if kind in TABLES and path not in outputs:
                module.activation = TableActivation(kind, Range.of(*ranges[f"{path}:before"]))
        if path not in outputs:
            module.register_forward_hook(partial(_round_output, range_=Range.of(*known[path])))
    return made


def _round_input(module: nn.Module, inputs: tuple[Tensor, ...], range_: Range) -> tuple[Tensor, ...]:
    return (rounded(inputs[0], range_), *inputs[1:])


def _round_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, range_: Range) -> Tensor:
    return rounded(output, range_)
