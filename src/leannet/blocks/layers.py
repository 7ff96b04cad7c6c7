"""One torch module for each kind of layer, built from its row and the shapes of its inputs."""

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from leannet import rows
from leannet.blocks import depthwise
from leannet.blocks.activations import activation_module
from leannet.blocks.finding import TopBoxes
from leannet.blocks.fused import can_fuse, norm_and_activation
from leannet.blocks.layouts import channels, every, mean_of_positions
from leannet.rows import Norm, Padding, Shape, pad_before_after

Module = TypeVar("Module", bound=nn.Module)
FEW = 8  # channels


def _norm(norm: Norm | None, channels: int) -> nn.Module:
    return nn.Identity() if norm is None else nn.BatchNorm2d(channels, eps=norm.eps, momentum=norm.momentum)


class SamePad(nn.Module):
    """Zeros (or `value`) as TensorFlow's "same" rule puts them: an odd one goes after."""

    def __init__(self, sides: tuple[int, int], stride: int, value: float = 0.0):
        super().__init__()
        self.sides, self.stride, self.value = sides, stride, value

    def forward(self, x: Tensor) -> Tensor:
        top, bottom = pad_before_after(x.shape[-2], self.sides[0], self.stride, "same")
        left, right = pad_before_after(x.shape[-1], self.sides[1], self.stride, "same")
        return F.pad(x, (left, right, top, bottom), value=self.value)


def _padding(sides: tuple[int, int], stride: int, padding: Padding) -> tuple[nn.Module, tuple[int, int]]:
    """The padding module before a window, and the padding that torch's own window adds, above and left."""
    if padding == "same" and (stride > 1 or any(side % 2 == 0 for side in sides)):
        return SamePad(sides, stride), (0, 0)
    high, wide = (pad_before_after(side, side, 1, padding)[0] for side in sides)
    return nn.Identity(), (high, wide)


class ConvLayer(nn.Module):
    """Convolution, normalization, activation: (N, C, H, W) -> (N, C', H', W')."""

    def __init__(self, row: rows.Conv | rows.Depthwise, shapes: Sequence[Shape]):
        super().__init__()
        channels = shapes[0].channels
        if isinstance(row, rows.Depthwise):
            out_channels, groups = channels, channels
        else:
            out_channels, groups = row.out_channels, row.groups
        self.pad, padding = _padding(row.sides, row.stride, row.padding)
        self.conv = nn.Conv2d(
            channels, out_channels, row.sides, row.stride, padding=padding, groups=groups, bias=row.bias
        )
        self.norm = _norm(row.norm, out_channels)
        self.activation = activation_module(row.activation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pad(x)
        if self._leaves_pixels_out:
            conv = self.conv
            x = F.conv2d(every(x, (conv.stride[0], conv.stride[1])), conv.weight, conv.bias)
        else:
            x = depthwise.convolve(x, self.conv) if depthwise.is_slow(x, self.conv) else self.conv(x)
        if can_fuse(x, self.norm):
            return norm_and_activation(x, self.norm, self.activation)
        return self.activation(self.norm(x))

    @property
    def _leaves_pixels_out(self) -> bool:
        """Whether it reads a few channels of some pixels alone, which are then taken out first: on processors with AVX2
        and no more, torch 2.13's gradient of such filters writes where it must not."""
        conv = self.conv
        points = conv.kernel_size == (1, 1) and conv.padding == (0, 0) and conv.groups == 1
        return points and max(conv.stride) > 1 and conv.in_channels < FEW


def fold_batch_norm(network: Module) -> Module:
    """The same network, changed: batch norm that follows a convolution becomes part of its filters and bias.

    For networks in evaluation mode that learn no more; answers are the same but for rounding.
    """
    for layer in network.modules():
        if isinstance(layer, ConvLayer) and isinstance(layer.norm, nn.BatchNorm2d):
            layer.conv, layer.norm = fuse_conv_bn_eval(layer.conv, layer.norm), nn.Identity()
    return network


class TransposedConvLayer(nn.Module):
    """Transposed convolution, normalization, activation: (N, C, H, W) -> (N, C', H * stride, W * stride)."""

    def __init__(self, row: rows.TransposedConv, shapes: Sequence[Shape]):
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            shapes[0].channels, row.out_channels, row.kernel, row.stride, padding=row.cut, bias=row.bias
        )
        self.norm = _norm(row.norm, row.out_channels)
        self.activation = activation_module(row.activation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if can_fuse(x, self.norm):
            return norm_and_activation(x, self.norm, self.activation)
        return self.activation(self.norm(x))


class LinearLayer(nn.Module):
    """Fully connected over the whole input: (N, C, H, W) -> (N, C', 1, 1)."""

    def __init__(self, row: rows.Linear, shapes: Sequence[Shape]):
        super().__init__()
        self.linear = nn.Linear(shapes[0].elements, row.out_channels, bias=row.bias)
        self.activation = activation_module(row.activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.linear(x.flatten(1)))[:, :, None, None]


class MaxPoolLayer(nn.Module):
    """Max pooling: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, row: rows.Pool):
        super().__init__()
        self.pad, padding = _padding((row.kernel, row.kernel), row.stride, row.padding)
        if isinstance(self.pad, SamePad):
            self.pad.value = -torch.inf
        self.pool = nn.MaxPool2d(row.kernel, row.stride, padding, ceil_mode=row.ceil)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.pad(x))


class AveragePoolLayer(nn.Module):
    """Average pooling, over what is not padding: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, row: rows.Pool):
        super().__init__()
        self.pad, padding = _padding((row.kernel, row.kernel), row.stride, row.padding)
        self.pool = nn.AvgPool2d(row.kernel, row.stride, padding, ceil_mode=row.ceil, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(self.pad, SamePad):
            return self.pool(x)
        fraction = self.pool(self.pad(torch.ones_like(x[:1, :1])))  # of each window that is not padding
        return self.pool(self.pad(x)) / fraction


class Flatten(nn.Module):
    """All values as channels: (N, C, H, W) -> (N, C * H * W, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :, None, None]


class Resize(nn.Module):
    """Nearest-neighbor resizing to the size of the second input: (N, C, H, W), (N, C', H', W') -> (N, C, H', W')."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[-2:], mode="nearest")


class Add(nn.Module):
    """The sum of the inputs, then activation."""

    def __init__(self, row: rows.Add):
        super().__init__()
        self.activation, self.average = activation_module(row.activation), row.average

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = first + other
        return self.activation(first / (1 + len(others)) if self.average else first)


class Multiply(nn.Module):
    """The first input scaled by the second."""

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return x * scale


class Concat(nn.Module):
    """The inputs concatenated along channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim=1)


class Normalize(nn.Module):
    """Normalization by itself."""

    def __init__(self, row: rows.Normalize, shapes: Sequence[Shape]):
        super().__init__()
        self.norm = _norm(row.norm, shapes[0].channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class Slice(nn.Module):
    """Some neighboring channels."""

    def __init__(self, row: rows.Slice):
        super().__init__()
        self.start, self.stop = row.start, row.start + row.out_channels

    def forward(self, x: Tensor) -> Tensor:
        return channels(x, self.start, self.stop)


class Largest(nn.Module):
    """The largest channel: (N, C, H, W) -> (N, 1, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=1, keepdim=True)


class Zeros(nn.Module):
    """Zeros for each image: (N, C, H, W) -> (N, C', 1, 1)."""

    def __init__(self, row: rows.Zeros):
        super().__init__()
        self.channels = row.out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), self.channels, 1, 1)


class Decide(nn.Module):
    """Whether a score is above a threshold, as 1 and 0: (N, 1, 1, 1) -> (N, 1, 1, 1)."""

    def __init__(self, row: rows.Decide):
        super().__init__()
        self.threshold, self.kind = row.threshold, row.training

    def forward(self, score: Tensor) -> Tensor:
        if self.training and self.kind == "soft":
            return score
        if self.training and self.kind == "drawn":
            return torch.bernoulli(score.detach())
        if self.training and self.kind == "off":
            return torch.zeros_like(score)
        decision = (score > self.threshold).to(score.dtype)
        if self.training and self.kind == "noisy":
            decision = torch.bernoulli(score.detach())
        return decision + (score - score.detach()) if self.training else decision


class Choose(nn.Module):
    """The first where the decision is 1, the second where it is 0, and as much of each in between."""

    def forward(self, first: Tensor, second: Tensor, decision: Tensor) -> Tensor:
        return first * decision + second * (1 - decision)


class GlobalAverage(nn.Module):
    """The mean over all positions: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return mean_of_positions(x)


def layer_module(row: rows.LayerBase, shapes: Sequence[Shape]) -> nn.Module:
    """The torch module of a layer that reads feature maps of these shapes, (C, H, W) each."""
    match row:
        case rows.Conv() | rows.Depthwise():
            return ConvLayer(row, shapes)
        case rows.TransposedConv():
            return TransposedConvLayer(row, shapes)
        case rows.Linear():
            return LinearLayer(row, shapes)
        case rows.Pool():
            return MaxPoolLayer(row) if row.op == "max" else AveragePoolLayer(row)
        case rows.GlobalPool():
            return GlobalAverage() if row.size == 1 else nn.AdaptiveAvgPool2d(row.size)
        case rows.Flatten():
            return Flatten()
        case rows.Dropout():
            return nn.Dropout(row.rate)
        case rows.Activate():
            return activation_module(row.activation, inplace=False)  # others may read the same input
        case rows.Add():
            return Add(row)
        case rows.Multiply():
            return Multiply()
        case rows.Concat():
            return Concat()
        case rows.Shuffle():
            return nn.ChannelShuffle(row.groups)
        case rows.Slice():
            return Slice(row)
        case rows.Shift():
            return nn.ZeroPad2d((-1, 1, -1, 1))
        case rows.Normalize():
            return Normalize(row, shapes)
        case rows.LocalResponse():
            return nn.LocalResponseNorm(row.size, row.alpha, row.beta, row.k)
        case rows.Upsample():
            return nn.Upsample(scale_factor=row.factor, mode="nearest")
        case rows.Resize():
            return Resize()
        case rows.Softmax():
            return nn.Softmax(dim=1)
        case rows.Largest():
            return Largest()
        case rows.Zeros():
            return Zeros(row)
        case rows.Decide():
            return Decide(row)
        case rows.Choose():
            return Choose()
        case rows.TopBoxes():
            return TopBoxes(row, shapes)
    raise TypeError(f"no module for a row of kind {type(row).__name__}")
