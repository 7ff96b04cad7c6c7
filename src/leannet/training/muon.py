"""Muon: the update of a matrix is its momentum made orthogonal, so that all of its directions are learned alike.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, kellerjordan.github.io/posts/muon. A
filter of (C', C, K, K) is a matrix of C' rows. torch.optim.Muon takes matrices alone, refuses filters, and works in
bfloat16, which processors without it are slow at.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from leannet.network import Network

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, steepest at 0
ITERATIONS = 5


def orthogonalized(matrix: Tensor) -> Tensor:
    """A matrix (rows, columns) with the same singular vectors, and singular values of about 0.7 to 1.2.

    By Newton and Schulz's iteration, which needs products of matrices alone.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.t() if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.t()
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.t() if tall else x


def hidden_matrices(network: Network) -> set[nn.Parameter]:
    """The weights of hidden, ungrouped convolutions: not of those that read the image or make classes, whose rows or
    columns are not features."""
    architecture = network.architecture
    outer = (*architecture.stems, *(f"{head}.conv.weight" for head in architecture.heads))
    return {
        cast(nn.Parameter, module.weight)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups == 1 and f"{name}.weight" not in outer
    }


class Muon(torch.optim.AdamW):
    """Muon for the parameter groups that say `orthogonal`, AdamW for the others.

    The rate is the root mean square (RMS) of a step's changes: of Muon's groups at every step, of AdamW's at most.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float, fused: bool | None = None):
        super().__init__(groups, lr=lr, fused=fused)
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. The gradients of matrices are used up."""
        for group in self.param_groups:
            if not group.get("orthogonal"):
                continue
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["step"] = torch.zeros(())  # which AdamW looks for when it is restored
                    state["momentum"] = torch.zeros_like(weight.grad)
                state["step"] += 1
                state["momentum"].lerp_(weight.grad, 1 - self.momentum)
                update = orthogonalized(weight.grad.lerp(state["momentum"], self.momentum).flatten(1))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view_as(weight), alpha=-group["lr"] * max(update.shape) ** 0.5)
                weight.grad = None  # so that AdamW passes it over
        return super().step(closure)
