"""Depthwise convolutions in bfloat16, of whose gradients oneDNN computes some very slowly.

With torch 2.13.0 the gradient of the input at stride 2 takes 20 to 140 times what it takes in float32, and that of
filters of 5 x 5 four times (findings/onednn_bfloat16_depthwise_gradients.sh). The first is the same as a convolution of
stride 1, with the filters turned round, of the output's gradient with nought between its values; the second is computed
in float32.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FAST = 3  # the side of the largest filters whose gradient is fast


def is_slow(x: Tensor, conv: nn.Conv2d) -> bool:
    """Whether a gradient of this convolution would be computed slowly."""
    return (
        conv.groups == conv.in_channels == conv.out_channels
        and conv.groups > 1
        and (conv.stride[0] > 1 or max(conv.kernel_size) > FAST)
        and conv.dilation == (1, 1)
        and x.device.type == "cpu"
        and (x.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu"))
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


def convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """What the convolution gives of (N, C, H, W), in bfloat16."""
    weight = conv.weight.bfloat16()
    y: Tensor = _Convolution.apply(x.bfloat16(), weight, conv.stride, conv.padding)  # type: ignore[no-untyped-call]  # torch does not say
    return y if conv.bias is None else y + conv.bias.bfloat16()[:, None, None]


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        context.save_for_backward(x, weight)
        context.stride, context.padding = stride, padding
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = context.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_x, of_weight = context.needs_input_grad[:2]
        x_gradient = weight_gradient = None
        if of_x and max(context.stride) > 1:
            x_gradient = _of_input(gradient, x, weight, context.stride, context.padding)
        elif of_x:
            x_gradient = _gradients(context, gradient, x, weight, (True, False))[0]
        if of_weight and max(weight.shape[2:]) > FAST:
            weight_gradient = _gradients(context, gradient.float(), x.float(), weight.float(), (False, True))[1]
        elif of_weight:
            weight_gradient = _gradients(context, gradient, x, weight, (False, True))[1]
        return x_gradient, None if weight_gradient is None else weight_gradient.to(weight.dtype), None, None


def _gradients(context: Any, gradient: Tensor, x: Tensor, weight: Tensor, which: tuple[bool, bool]) -> tuple[Any, ...]:
    """oneDNN's gradients of the input and the filters."""
    where = context.stride, context.padding, (1, 1), False, (0, 0), len(weight)
    return tuple(torch.ops.aten.convolution_backward(gradient, x, weight, None, *where, (*which, False)))


def _of_input(gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """The input's gradient: of the output's, spread out, a convolution with the filters turned round."""
    sides = tuple(weight.shape[2:])
    height, width = (size + 2 * pad - side + 1 for size, pad, side in zip(x.shape[2:], padding, sides, strict=True))
    spread = torch.empty((*x.shape[:2], height, width), dtype=gradient.dtype, memory_format=torch.channels_last).zero_()
    rows, columns = gradient.shape[2:]
    spread[:, :, : rows * stride[0] : stride[0], : columns * stride[1] : stride[1]] = gradient
    around = tuple(side - 1 - pad for side, pad in zip(sides, padding, strict=True))
    return F.conv2d(spread, weight.flip((2, 3)), None, 1, around, groups=len(weight))
