"""Activations as torch modules that keep no more than their backward pass needs.

torch's ReLU6, h-swish, h-sigmoid and SiLU copy their input before they work in place, where a gradient is needed.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leannet.rows import Activation


class _ReLU6(torch.autograd.Function):
    """In place. The gradient passes where the output is inside (0, 6), so the input is not needed."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.mark_dirty(x.clamp_(0, 6))
        context.save_for_backward(x)
        return x

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (y,) = context.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradients[0], y, 0.0, 6.0)


class ReLU6(nn.ReLU6):
    """min(max(x, 0), 6), forward and backward to the bit as torch's; in place without a copy."""

    def forward(self, x: Tensor) -> Tensor:
        learns = x.requires_grad and torch.is_grad_enabled()
        if learns and self.inplace and not torch.compiler.is_compiling():
            return _ReLU6.apply(x)  # type: ignore[no-untyped-call]  # torch does not say
        return F.relu6(x, inplace=self.inplace and not learns)


class Hardswish(nn.Hardswish):
    """x ReLU6(x + 3) / 6; in place where no gradient is needed."""

    def forward(self, x: Tensor) -> Tensor:
        return F.hardswish(x, inplace=self.inplace and not x.requires_grad)


class Hardsigmoid(nn.Hardsigmoid):
    """ReLU6(x + 3) / 6; in place where no gradient is needed."""

    def forward(self, x: Tensor) -> Tensor:
        return F.hardsigmoid(x, inplace=self.inplace and not x.requires_grad)


class SiLU(nn.SiLU):
    """x sigmoid(x); in place where no gradient is needed."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x, inplace=self.inplace and not x.requires_grad)


ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,  # its gradient needs the output alone, in torch too
    "relu6": ReLU6,
    "swish": SiLU,
    "h_swish": Hardswish,
    "sigmoid": nn.Sigmoid,
    "h_sigmoid": Hardsigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


def activation_module(name: Activation, inplace: bool = True) -> nn.Module:
    """The activation of that name. In place by default, which is safe right behind a convolution or a sum."""
    kind = ACTIVATIONS[name]
    return kind(inplace=True) if inplace and name not in {"linear", "sigmoid", "tanh", "gelu"} else kind()
