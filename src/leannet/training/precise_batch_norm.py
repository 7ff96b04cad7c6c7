"""Precise batch norm: statistics measured in a pass of their own, for runs with few steps per epoch.

The running statistics are a moving average over the last few dozen steps, during which the weights change. If an epoch
is shorter than that, they lag behind, and a network that has learned evaluates as if it had not. Wu and Johnson,
"Rethinking 'Batch' in BatchNorm", arXiv 2105.07576, section 3: one more pass computes the population statistics.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from leannet.blocks.table import masked
from leannet.data.loader import Batches, Loader, PreparedDataset
from leannet.data.split import Split
from leannet.network import Network
from leannet.rows import Architecture
from leannet.rows.gating import draws
from leannet.training.settings import Settings

FEW_STEPS = 100  # steps per epoch below which batch norm's running statistics lag behind
POPULATION = 1 << 14  # values of each channel of the last feature map, from which statistics are taken
OF_WAYS = 4_096  # images at least, where they are to replace the statistics of other ways through the network


def is_precise(settings: Settings, steps: int, architecture: Architecture) -> bool:
    """Whether precise batch norm comes before each evaluation. steps: of an epoch.

    Decisions drawn in training leave statistics of other ways through the network than those that images take then.
    """
    if settings.batch_statistics == "auto":
        return steps < FEW_STEPS or draws(architecture)
    return settings.batch_statistics == "precise"


def population_of(dataset: PreparedDataset, split: Split, settings: Settings, pixels: int, drawn: bool) -> Loader:
    """Training images to measure statistics on, augmented: those of plain ones are not what the weights learned with.

    pixels: of the last map. drawn: whether training draws decisions.
    """
    number = max(-(-POPULATION // pixels), OF_WAYS if drawn else 0)
    some = np.random.default_rng(settings.seed).permutation(split.train)[:number]
    return Loader(dataset, Batches(some, settings.batch_size, training=True), settings.workers or 0)


@torch.no_grad()
def precise_batch_norm(network: nn.Module, inputs: Iterable[Tensor], frozen: Sequence[str] = ()) -> None:
    """Sets the running statistics of every batch norm to their plain mean over these batches of (N, C, H, W) inputs.

    frozen: rows whose statistics stay. Weights do not change, and dropout is off. What a network could skip runs for
    all images, as in training: a block that few of them or none reach has statistics all the same. A network without
    batch norm is not touched; others are left in evaluation mode.
    """
    rows = network.architecture.without_auxiliary().shapes if isinstance(network, Network) else None
    norms = [
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        and name.split(".")[0] not in frozen
        and (rows is None or name.split(".")[0] in rows)  # auxiliary heads do not run in evaluation mode
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the plain mean of all batches
        norm.train()
    try:
        with masked(network):
            for batch in inputs:
                network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.eval()
