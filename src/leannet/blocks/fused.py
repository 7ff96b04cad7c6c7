"""Batch norm in training and the activation behind it in as few passes over memory as they need.

torch reads or writes each value thirteen times, forward and backward, where eight times are enough, and on a processor
memory is what a MobileNet's step waits for (docs/performance.md). The loops are in batch_norm.c. They are for training:
a network that is evaluated goes through torch.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from leannet.blocks.activations import Hardswish, ReLU6
from leannet.native import library

KINDS: dict[type[nn.Module], int] = {nn.Identity: 0, nn.ReLU: 1, ReLU6: 2, Hardswish: 3}  # as in batch_norm.c
FEW = 1 << 14  # values of a map, up to which a second thread costs more than it saves
_enabled = False


@contextmanager
def fused_batch_norm(enabled: bool = True) -> Iterator[bool]:
    """Has networks in training take these loops until the end of the block. Gives whether they can here."""
    global _enabled
    before, _enabled = _enabled, enabled and _functions() is not None
    try:
        yield _enabled
    finally:
        _enabled = before


def can_fuse(x: Tensor, norm: nn.Module) -> bool:
    """Whether this batch norm of this map is in training, and one that the loops know."""
    return (
        _enabled
        and type(norm) is nn.BatchNorm2d  # no subclass, as one over several processes
        and norm.training
        and norm.track_running_stats
        and norm.affine
        and x.dtype in {torch.float32, torch.bfloat16}
        and norm.weight.dtype == torch.float32
        and x.device.type == "cpu"
        and x.is_contiguous(memory_format=torch.channels_last)
        and x.numel() > x.shape[1]  # torch says what is wrong with a single value a channel
        and not torch.compiler.is_compiling()
    )


def norm_and_activation(x: Tensor, norm: nn.Module, activation: nn.Module) -> Tensor:
    """What `activation(norm(x))` gives, with the same effect on the running statistics."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    momentum = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    kind = KINDS.get(type(activation))
    statistics = norm.running_mean, norm.running_var
    y: Tensor = _NormActivation.apply(  # type: ignore[no-untyped-call]  # torch does not say
        x, norm.weight, norm.bias, *statistics, momentum, norm.eps, kind or 0
    )
    return y if kind is not None else activation(y)


class _NormActivation(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, momentum: float,
        eps: float, kind: int,
    ) -> Tensor:  # fmt: skip
        channels, rows, threads = _sizes(x)
        functions = _functions()
        assert functions is not None
        y, saved = torch.empty_like(x), torch.empty(2, channels)
        inverse, parts = torch.empty(channels, dtype=torch.float64), _parts(channels)
        functions.norm_forward(
            x.data_ptr(), weight.data_ptr(), bias.data_ptr(), mean.data_ptr(), variance.data_ptr(), momentum, eps, rows,
            channels, kind, _is_half(x), threads, parts.data_ptr(), saved.data_ptr(), inverse.data_ptr(), y.data_ptr(),
        )  # fmt: skip
        context.save_for_backward(x, bias, saved, inverse)
        context.kind = kind
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, bias, saved, inverse = context.saved_tensors
        gradient = gradients[0].to(x.dtype).contiguous(memory_format=torch.channels_last)
        channels, rows, threads = _sizes(x)
        functions = _functions()
        assert functions is not None
        x_gradient, parts = torch.empty_like(x), _parts(channels)
        weight_gradient, bias_gradient, work = torch.empty(channels), torch.empty(channels), torch.empty(2, channels)
        functions.norm_backward(
            x.data_ptr(), gradient.data_ptr(), bias.data_ptr(), saved.data_ptr(), inverse.data_ptr(), rows, channels,
            context.kind, _is_half(x), threads, parts.data_ptr(), work.data_ptr(), x_gradient.data_ptr(),
            weight_gradient.data_ptr(), bias_gradient.data_ptr(),
        )  # fmt: skip
        return x_gradient, weight_gradient, bias_gradient, None, None, None, None, None


def _sizes(x: Tensor) -> tuple[int, int, int]:
    """Channels, rows, and the threads that are worth their while."""
    channels = x.shape[1]
    return channels, x.numel() // channels, torch.get_num_threads() if x.numel() > FEW else 1


def _is_half(x: Tensor) -> int:
    return int(x.dtype == torch.bfloat16)


def _parts(channels: int) -> Tensor:
    functions = _functions()
    assert functions is not None
    return torch.empty(functions.chunks() * 2 * channels, dtype=torch.float64)


@cache
def _functions() -> ctypes.CDLL | None:
    """Of batch_norm.c; None: they cannot be had here."""
    functions = library(Path(__file__).with_name("batch_norm.c"))
    if functions is not None:
        pointer, number, real = ctypes.c_void_p, ctypes.c_long, ctypes.c_double
        functions.norm_forward.argtypes = [
            *[pointer] * 5, real, real, number, number, *[ctypes.c_int] * 3, *[pointer] * 4,
        ]  # fmt: skip
        functions.norm_backward.argtypes = [
            *[pointer] * 5, number, number, *[ctypes.c_int] * 3, *[pointer] * 5,
        ]  # fmt: skip
        functions.norm_forward.restype = functions.norm_backward.restype = None
    return functions
