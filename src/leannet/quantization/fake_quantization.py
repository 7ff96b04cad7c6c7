"""Fake quantization: a network that rounds as its integers will, for quantization-aware training (QAT).

Weights and activations are quantized and dequantized in the forward pass. The gradient passes as if they were not, and
stops where a value was clipped (Jacob et al., arXiv 1712.05877, section 3; Bengio et al., arXiv 1308.3432). Batch norm
is folded into the filters before they are quantized, with its running statistics, which do not change any more.
"""

import abc
import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leannet.blocks import ConvLayer, LinearLayer, TransposedConvLayer
from leannet.blocks.layers import Normalize
from leannet.network import Network
from leannet.rows import INPUT, Activation, Architecture
from leannet.runtime.integers import GATE, deciding, tied_ranges
from leannet.runtime.lowering import lower
from leannet.runtime.operations import Range
from leannet.runtime.quantize_pairs import LUT_ACTIVATIONS


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
    """h-sigmoid by the look-up table of `quantize_pairs`: the integers of x on the scale whose range is [-3, 3]."""

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
    """An activation that `quantize_pairs` looks up in a table (LUT): its input is quantized, and so is its gate."""

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


class FakeQuantizedLayer(nn.Module):
    """A layer whose inputs and output are quantized, each where it has a range. before: one for each input."""

    before: tuple[Range | None, ...] = ()
    after: Range | None = None

    def forward(self, *inputs: Tensor) -> Tensor:
        ranges = zip(inputs, self.before, strict=True)
        output = self.compute(*(x if range_ is None else fake_quantize(x, range_) for x, range_ in ranges))
        return output if self.after is None else fake_quantize(output, self.after)

    @abc.abstractmethod
    def compute(self, *inputs: Tensor) -> Tensor:
        """The output, from inputs that are quantized."""


class FakeQuantizedConv(FakeQuantizedLayer):
    """A convolution whose filters are quantized, batch norm folded in. Its submodules keep their names.

    bits: None: the filters stay in float.
    """

    def __init__(self, layer: ConvLayer | TransposedConvLayer, bits: int | None):
        super().__init__()
        self.pad = layer.pad if isinstance(layer, ConvLayer) else nn.Identity()
        self.conv, self.norm, self.activation = layer.conv, layer.norm, layer.activation
        self.bits = bits

    def compute(self, *inputs: Tensor) -> Tensor:
        conv, norm, (x,) = self.conv, self.norm, inputs
        is_transposed = isinstance(conv, nn.ConvTranspose2d)  # whose filters have their inputs first
        weight, bias = conv.weight.transpose(0, 1) if is_transposed else conv.weight, conv.bias
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_var is not None
            assert norm.running_mean is not None
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = weight * scale[:, None, None, None]
            bias = norm.bias + ((bias if bias is not None else 0) - norm.running_mean) * scale
        weight = weight if self.bits is None else fake_quantize_filters(weight, self.bits)
        if isinstance(conv, nn.ConvTranspose2d):
            assert not isinstance(conv.padding, str)
            weight = weight.transpose(0, 1)
            return self.activation(F.conv_transpose2d(x, weight, bias, conv.stride, conv.padding))
        output = F.conv2d(self.pad(x), weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        return self.activation(output)


class FakeQuantizedLinear(FakeQuantizedLayer):
    """A fully connected layer whose weights are quantized. bits: None: they stay in float."""

    def __init__(self, layer: LinearLayer, bits: int | None):
        super().__init__()
        self.linear, self.activation = layer.linear, layer.activation
        self.bits = bits

    def compute(self, *inputs: Tensor) -> Tensor:
        weight = self.linear.weight if self.bits is None else fake_quantize_filters(self.linear.weight, self.bits)
        return self.activation(F.linear(inputs[0].flatten(1), weight, self.linear.bias))[:, :, None, None]


class FakeQuantizedNormalize(FakeQuantizedLayer):
    """A normalization by itself, which is not folded into anything."""

    def __init__(self, layer: Normalize):
        super().__init__()
        self.norm = layer.norm

    def compute(self, *inputs: Tensor) -> Tensor:
        return self.norm(*inputs)


class FakeQuantizedOperation(FakeQuantizedLayer):
    """A layer without weights."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.operation = layer

    def compute(self, *inputs: Tensor) -> Tensor:
        return self.operation(*inputs)


def fake_quantized_network(
    network: Network, ranges: Mapping[str, tuple[float, float]], bits: int, float_layers: frozenset[str] = frozenset()
) -> Network:
    """A copy that quantizes what `quantize_pairs` does. Its state has the same names, so it is saved as any network.

    ranges: as `Calibration` finds them. float_layers: layers that are not quantized.
    """
    copied = copy.deepcopy(network)
    architecture: Architecture = network.architecture
    operations = lower(architecture)
    float_layers |= deciding(operations)
    tied = tied_ranges(operations, ranges)
    outputs = {architecture.made_by[name] for name in architecture.output_names}
    rounds_image = any(reader.path not in float_layers for reader in architecture.graph.readers[INPUT])
    for node in architecture.layers:
        path, row = node.path, node.row
        users = [other for other in architecture.layers if path in (other.path, other.shares)]
        image = tied[INPUT] if INPUT in node.inputs and rounds_image else None
        before = tuple(
            image if all(user.inputs[at] == INPUT for user in users) else None for at in range(len(node.inputs))
        )
        operation = operations.by_name.get(path)
        rounds = path not in float_layers and operation is not None and not operation.copies
        if node.shares or not (rounds or any(before)):
            continue
        module = _fake_quantized(copied.get_submodule(path), bits if rounds else None)
        copied.set_submodule(path, module)
        module.before = before
        if rounds and path not in outputs:
            module.after = tied[path]
            activation: Activation = getattr(row, "activation", "linear")
            if activation in LUT_ACTIVATIONS and isinstance(module, FakeQuantizedConv | FakeQuantizedLinear):
                module.activation = LutActivation(activation, Range.of(*ranges[f"{path}:before"]))
    return copied


def _fake_quantized(module: nn.Module, bits: int | None) -> FakeQuantizedLayer:
    """bits: of its weights; None: they stay in float."""
    match module:
        case ConvLayer() | TransposedConvLayer():
            return FakeQuantizedConv(module, bits)
        case LinearLayer():
            return FakeQuantizedLinear(module, bits)
        case Normalize():
            return FakeQuantizedNormalize(module)
    return FakeQuantizedOperation(module)
