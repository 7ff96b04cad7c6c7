"""Weights that stay zero while a network trains, and more of them as it goes on: unstructured pruning.

A mask is nowhere kept beside the weights: a weight that is exactly zero is masked, in memory and in files.
"""

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn

from leannet.network import Network
from leannet.rows.layers import MIXING
from leannet.rows.parameters import parameters
from leannet.training.settings import Sparsity

UPDATES = 100  # of the masks, over a run


class Sparsifier:
    """Sets weights of a network to zero after each step, by their magnitude.

    Depthwise filters and those that read the image are left dense: they are few, and much hangs on each.
    """

    def __init__(self, network: Network, settings: Sparsity):
        self._settings = settings
        modules = dict(network.named_parameters())
        self.weights: dict[str, nn.Parameter] = {key: modules[key] for key in sparse_keys(network)}
        self._turned = turned_keys(network)
        self._level: int | None = None
        self._masks = {key: weight.detach() != 0 for key, weight in self.weights.items()}

    @property
    def reached(self) -> float:
        """The share of zeros that there should be by now; an epoch with fewer is not better than one with more."""
        if self._level is None or self._settings.level == "2:4":
            return 0.0
        return self._settings.target(self._level / UPDATES) or 0.0

    @torch.no_grad()
    def step(self, share: float, *averages: Network) -> None:
        """After a step of the optimizer. share: of the run that is done. averages: other networks of these weights."""
        level = int(UPDATES * share)
        if level != self._level:
            self._level = level
            target = self._settings.target(level / UPDATES)
            if target is not None and self._falls_short(target):
                self._masks = masks(
                    dict(self.weights), target, self._settings.level, self._settings.scope, self._turned
                )
        for key, weight in self.weights.items():
            weight.mul_(self._masks[key])
        for network in averages:
            own = dict(network.named_parameters())
            for key in self.weights:
                own[key].mul_(self._masks[key])

    def _falls_short(self, share: float) -> bool:
        """Whether more can go without passing the share. So a resumed run does not choose anew what it had chosen."""
        if self._settings.level == "2:4":
            return True
        together = [list(self.weights)] if self._settings.scope == "global" else [[key] for key in self.weights]
        for keys in together:
            zeros = sum(int((~self._masks[key]).sum()) for key in keys)
            largest = max(_unit(self.weights[key], self._settings.level) for key in keys)
            if share * sum(self.weights[key].numel() for key in keys) - zeros >= largest:
                return True
        return False


def sparse_keys(network: Network) -> tuple[str, ...]:
    """The weights that may be zero, by their key in the state dict."""
    stems = set(network.architecture.stems)
    return tuple(
        key
        for layer in network.architecture.layers
        if layer.shares is None and isinstance(layer.row, MIXING)
        for parameter in parameters(layer)
        if parameter.kind == "weight" and (key := f"{layer.path}.{parameter.name}") not in stems
    )


def turned_keys(network: Network) -> frozenset[str]:
    """Of weights that may be zero those whose first axis is what a filter reads: of transposed convolutions."""
    stored = network.architecture.parameters
    return frozenset(key for key in sparse_keys(network) if stored[key].axes[0] == "in")


def masks(
    weights: dict[str, Tensor], share: float, level: str, scope: str, turned: Collection[str] = ()
) -> dict[str, Tensor]:
    """For each weight (out, in, height, width) or (out, in) which numbers stay: those of the largest magnitude.

    share: of the numbers that go. level: what goes together: element, row or column of a kernel, kernel; or 2:4: two of
    every four channels that a filter reads, one after the other. scope: global: all layers compete; layer: each loses
    the same share. turned: which weights are (in, out, height, width).
    """
    if level == "2:4":
        return {
            key: _two_of_four(weight.transpose(0, 1)).transpose(0, 1) if key in turned else _two_of_four(weight)
            for key, weight in weights.items()
        }
    norms = {key: _norms(weight, level) for key, weight in weights.items()}
    if scope == "layer":
        return {key: _largest({key: norms[key]}, {key: weights[key]}, share)[key] for key in weights}
    return _largest(norms, weights, share)


AXES = {"element": (), "row": (3,), "column": (2,), "kernel": (2, 3)}  # of a filter, along which numbers go together


def _unit(weight: Tensor, level: str) -> int:
    """How many numbers go together."""
    return 1 if weight.ndim < 4 else math.prod(weight.shape[axis] for axis in AXES[level])


def _norms(weight: Tensor, level: str) -> Tensor:
    """The root of the mean square of what goes together, in the weight's dimensions, those gone of size 1."""
    axes = AXES[level]
    if weight.ndim < 4 or not axes:
        return weight.abs()
    return weight.square().mean(dim=axes, keepdim=True).sqrt()


def _largest(norms: dict[str, Tensor], weights: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Masks without those of the smallest norms, until so many numbers are gone."""
    sizes = torch.cat(
        [torch.full((norm.numel(),), weights[key].numel() // norm.numel()) for key, norm in norms.items()]
    ).to(next(iter(norms.values())).device)
    order = torch.cat([norm.flatten() for norm in norms.values()]).argsort(stable=True)
    gone = sizes[order].cumsum(0) <= share * int(sizes.sum())
    stays = torch.ones(len(order), dtype=torch.bool, device=order.device)
    stays[order[gone]] = False
    parts = torch.split(stays, [norm.numel() for norm in norms.values()])
    return {
        key: part.reshape(norm.shape).expand(weights[key].shape)
        for (key, norm), part in zip(norms.items(), parts, strict=True)
    }


def _two_of_four(weight: Tensor) -> Tensor:
    """Of every four inputs of a filter, at each place, the two of the largest magnitude; a rest of fewer stays."""
    channels = weight.shape[1] // 4 * 4
    mask = torch.ones_like(weight, dtype=torch.bool)
    if channels:
        fours = weight[:, :channels].abs().transpose(0, 1).reshape(channels // 4, 4, -1)
        kept = torch.zeros_like(fours, dtype=torch.bool).scatter_(1, fours.topk(2, dim=1).indices, True)
        first = weight.transpose(0, 1).shape[1:]
        mask[:, :channels] = kept.reshape(channels, *first).transpose(0, 1)
    return mask


def zeros_of(network: Network) -> dict[str, float]:
    """The share of zeros of each weight that may have some."""
    state = network.state_dict()
    return {key: float((state[key] == 0).double().mean()) for key in sparse_keys(network)}
