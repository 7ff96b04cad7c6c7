"""Operations whose gradient keeps the layout of the input.

torch's gradients of a slice and of a mean come in the plain layout whatever the input's was, and everything before them
then works on two layouts at once, which is slow (docs/performance.md).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class _Channels(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, start: int, stop: int) -> Tensor:
        context.around = start, x.shape[1] - stop
        return x[:, start:stop].contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        return F.pad(gradient, (0, 0, 0, 0, *context.around)), None, None


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.shape = x.shape
        return x.mean((2, 3), keepdim=True)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        _, _, height, width = context.shape
        share = gradients[0] / (height * width)
        return share.expand(context.shape).contiguous(memory_format=torch.channels_last)


def channels(x: Tensor, start: int, stop: int) -> Tensor:
    """x[:, start:stop] of (N, C, H, W)."""
    if _learns_channels_last(x):
        return _Channels.apply(x, start, stop)  # type: ignore[no-untyped-call]  # torch does not say
    return x[:, start:stop]


def mean_of_positions(x: Tensor) -> Tensor:
    """The mean over height and width: (N, C, H, W) -> (N, C, 1, 1)."""
    if _learns_channels_last(x):
        return _Mean.apply(x)  # type: ignore[no-untyped-call]  # torch does not say
    return x.mean((2, 3), keepdim=True)


def every(x: Tensor, step: tuple[int, int]) -> Tensor:
    """(N, C, H, W): every so-manyth row and column, in the layout of x."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return x[:, :, :: step[0], :: step[1]].contiguous(memory_format=layout)


def _learns_channels_last(x: Tensor) -> bool:
    return (
        x.requires_grad
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and x.is_contiguous(memory_format=torch.channels_last)
        and not x.is_contiguous()
    )
