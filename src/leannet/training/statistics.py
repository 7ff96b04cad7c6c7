"""Precise batch norm: what a network of few steps needs before it is evaluated.

The running statistics are a moving average over the last few dozen steps, taken while the weights move. Where an epoch
is shorter than that they lag behind, and a network that has learned looks as if it had not. Wu and Johnson, "Rethinking
'Batch' in BatchNorm", arXiv 2105.07576, section 3: the statistics of the population, by one more pass.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def recalibrate(network: nn.Module, inputs: Iterable[Tensor], frozen: Sequence[str] = ()) -> None:
    """Sets the running statistics of every batch norm to the plain mean over these batches of (N, C, H, W) inputs.

    frozen: rows whose statistics stay. Weights stay as they are, and dropout rests. A network without batch norm is
    left alone. Leaves evaluation mode.
    """
    norms = [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and name.split(".")[0] not in frozen
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the plain mean of all batches
        norm.train()
    try:
        for batch in inputs:
            network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.eval()
