"""How much each group of channels matters: its score. What scores least goes first."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leannet.errors import LeannetError
from leannet.network import Network
from leannet.rows.channels import Channels
from leannet.rows.graph import Node
from leannet.rows.layers import MIXING
from leannet.rows.parameters import Parameter, parameters
from leannet.shrink.names import Criterion
from leannet.training.objective import Objective

Batch = tuple[Tensor, Tensor]  # (N, C, H, W) normalized, and their labels (N,)
Scores = NDArray[np.float64]  # of each group, or of each channel of a layer
DAMAGE = {"taylor"}  # whose scores are what the loss rises by, so that they can be added and set against costs


def score(
    network: Network,
    channels: Channels,
    criterion: Criterion,
    batches: Iterable[Batch] = (),
    objective: Objective | None = None,
    seed: int = 0,
) -> Scores:
    """The score of each group of channels, (groups,): larger ones matter more.

    taylor: what the loss would rise by to first order, squared: of each batch the sum of weight times gradient over the
    scale and shift of a channel, or its filter and bias (Molchanov et al., arXiv 1906.10771, section 3.1). l1, l2: the
    norm of a filter (Li et al., arXiv 1608.08710, section 3.1). bn_scale: the scale of batch norm (Liu et al., arXiv
    1708.06519, section 3). geometric_median: the sum of a filter's distances to the others of its layer (He et al.,
    arXiv 1811.00250, section 3.3). activation: the mean absolute activation. apoz: the share of activations that are
    not zero (Hu et al., arXiv 1607.03250, section 3). random: of a seed, to compare with.
    All but taylor and random are relative: 1 is the mean of a layer, and a group has the mean of its channels.
    Groups of which the criterion has nothing to read, as squeeze-and-excitation's without batch norm, have NaN.
    Raises LeannetError where that is all of them.
    """
    if criterion == "random":
        return np.random.default_rng(seed).random(channels.count)
    by_layer = {
        "taylor": lambda: _taylor(network, batches, objective),
        "activation": lambda: _activations(network, batches, lambda x: x.abs()),
        "apoz": lambda: _activations(network, batches, lambda x: (x != 0).to(x.dtype)),
        "bn_scale": lambda: _of_parameters(network, "norm.weight", lambda x: np.abs(x)),
        "l1": lambda: _of_filters(network, lambda x: np.abs(x).sum(axis=1)),
        "l2": lambda: _of_filters(network, lambda x: np.sqrt((x**2).sum(axis=1))),
        "geometric_median": lambda: _of_filters(network, _distances),
    }[criterion]()
    total, number = np.zeros(channels.count), np.zeros(channels.count)
    for path, values in by_layer.items():
        relative = values if criterion in DAMAGE else values / max(float(values.mean()), 1e-30)
        np.add.at(total, channels.written[path], relative)
        np.add.at(number, channels.written[path], 1)
    if not number.any():
        raise LeannetError(
            f"--criterion {criterion}: expected something to read, found no batch norm in "
            f"{channels.architecture.name}; taylor, l1 and l2 read any network"
        )
    scores = total if criterion in DAMAGE else total / np.maximum(number, 1)
    return np.asarray(np.where(number > 0, scores, np.nan))


def _owners(network: Network) -> list[Node]:
    return [layer for layer in network.architecture.layers if layer.shares is None]


def _of_channels(layer: Node) -> list[Parameter]:
    """What a layer learns last for each channel that it makes: its normalization, or else its weight and bias."""
    learned = [parameter for parameter in parameters(layer) if parameter.learned and "out" in parameter.axes]
    return [parameter for parameter in learned if parameter.kind == "norm"] or learned


def _of_parameters(network: Network, name: str, of: Callable[[Any], Any]) -> dict[str, Scores]:
    """Of all layers that store a parameter of this name."""
    state = network.state_dict()
    return {
        layer.path: np.asarray(of(state[f"{layer.path}.{name}"].double().cpu().numpy()))
        for layer in _owners(network)
        if any(parameter.name == name for parameter in parameters(layer))
    }


def _of_filters(network: Network, of: Callable[[Any], Any]) -> dict[str, Scores]:
    """Of all layers that make channels, from their filters (channels, numbers)."""
    scores: dict[str, Scores] = {}
    state = network.state_dict()
    for layer in _owners(network):
        for parameter in parameters(layer):
            if isinstance(layer.row, MIXING) and parameter.kind == "weight":
                weight = state[f"{layer.path}.{parameter.name}"].double().cpu().numpy()
                weight = np.moveaxis(weight, parameter.axes.index("out"), 0)
                scores[layer.path] = np.asarray(of(weight.reshape(len(weight), -1)))
    return scores


def _distances(filters: NDArray[np.float64]) -> Scores:
    """The sum of the distances of each filter to all others."""
    rows = torch.from_numpy(filters)
    return np.asarray(torch.cdist(rows, rows).sum(dim=1).numpy())


def _taylor(network: Network, batches: Iterable[Batch], objective: Objective | None) -> dict[str, Scores]:
    """The square of the sum of weight times gradient of each channel, its mean over batches."""
    assert objective is not None
    network = objective.evaluated(network).eval()
    weights = dict(network.named_parameters())
    total: dict[str, Scores] = {}
    count = 0
    for images, targets in batches:
        network.zero_grad(set_to_none=True)
        losses = objective.losses(network, images, targets)
        (losses.total / objective.weight(targets)).backward()  # type: ignore[no-untyped-call]  # torch's
        count += 1
        for layer in _owners(network):
            change: Scores | float = 0.0
            for parameter in _of_channels(layer):
                weight = weights[f"{layer.path}.{parameter.name}"]
                if weight.grad is not None:
                    product = (weight.detach() * weight.grad).double().movedim(parameter.axes.index("out"), 0)
                    change = change + product.reshape(len(product), -1).sum(dim=1).numpy()
            if not isinstance(change, float):
                total[layer.path] = total.get(layer.path, 0.0) + change**2
    network.zero_grad(set_to_none=True)
    return {path: values / max(count, 1) for path, values in total.items()}


@torch.no_grad()
def _activations(network: Network, batches: Iterable[Batch], of: Callable[[Tensor], Tensor]) -> dict[str, Scores]:
    """The mean over images and places of what each layer with weights gives, by channel."""
    network.eval()
    total: dict[str, Scores] = {}
    count: dict[str, int] = {}

    def watch(path: str, module: nn.Module) -> Any:
        def add(_: nn.Module, __: Any, output: Tensor) -> None:
            values = of(output).flatten(2).mean(dim=2) if output.ndim > 2 else of(output)
            total[path] = total.get(path, 0.0) + values.double().sum(dim=0).numpy()
            count[path] = count.get(path, 0) + len(values)

        return module.register_forward_hook(add)

    handles = [watch(layer.path, network.layer(layer.path)) for layer in _owners(network) if _of_channels(layer)]
    try:
        for images, _ in batches:
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    return {path: values / count[path] for path, values in total.items()}
