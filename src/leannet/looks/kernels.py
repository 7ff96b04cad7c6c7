"""Kernels: the weights of a convolution, as small images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from leannet.errors import LeannetError, nearest
from leannet.looks.hooks import find
from leannet.looks.inputs import load_network
from leannet.network import Network
from leannet.rows import INPUT, Architecture, Conv, Depthwise


@dataclass(frozen=True)
class Kernels:
    """The kernels of one convolution as they were learned, without normalisation: (N, C, k, k) float32.

    C is 3 for a color image, whose channels are RGB, and 1 for a grey one or a depthwise convolution.
    """

    layer: str
    weights: NDArray[np.float32]

    COLUMNS: ClassVar = ("layer", "kernel", "channel", "row", "column", "weight")

    def tiles(self, common: bool = False) -> NDArray[np.uint8]:
        """(N, k, k, C) uint8: zero is the middle grey, the largest absolute weight white or black.

        common: of all kernels together; otherwise of each by itself.
        """
        weights = self.weights.transpose(0, 2, 3, 1)
        largest = np.abs(weights).max(axis=None if common else (1, 2, 3), keepdims=True)
        shares = weights / np.maximum(largest, 1e-30)
        return np.round(127.5 + 127.5 * shares).astype(np.uint8)

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """A line for each weight, as COLUMNS says."""
        for place, weight in np.ndenumerate(self.weights):
            yield self.layer, *place, float(weight)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON: the shape, and each kernel's largest absolute weight."""
        largest = np.abs(self.weights).max(axis=(1, 2, 3))
        return {"layer": self.layer, "shape": list(self.weights.shape), "largest": [float(x) for x in largest]}


def filters(run: str | Path | Network, layer: str | None = None) -> Kernels:
    """The kernels of a convolution.

    run: a run folder, a checkpoint or a network. layer: None: the first convolution. It must read the image, or be
    depthwise: other kernels are over many channels, which no image shows.
    Raises LeannetError for an unknown layer, with the nearest names, and for one whose kernels are no images.
    """
    network, _ = load_network(run)
    table = network.architecture
    point = find(network, layer or _first(table))
    parts = [each for each in point.module.modules() if isinstance(each, nn.Conv2d)]
    names = (point.path, point.path.removesuffix(".conv"))
    node = next((each for each in table.layers if each.path in names), None)
    if node is None or len(parts) != 1:
        raise LeannetError(f"{point.path}: expected one convolution; nearest: {nearest(point.path, _shown(table))}")
    weights = parts[0].weight.detach().cpu().numpy()
    if weights.shape[1] not in ({1, 3} if node.inputs == (INPUT,) else {1}):
        raise LeannetError(
            f"{point.path}: its kernels are over {weights.shape[1]} channels, which no image shows; "
            f"choose one that reads the image or is depthwise; nearest: {nearest(point.path, _shown(table))}"
        )
    return Kernels(node.path, weights)


def _first(table: Architecture) -> str:
    for node in table.layers:
        if isinstance(node.row, Conv | Depthwise):
            return node.path
    raise LeannetError(f"{table.name} has no convolution")


def _shown(table: Architecture) -> list[str]:
    """The convolutions whose kernels are images."""
    return [
        node.path
        for node in table.layers
        if isinstance(node.row, Depthwise) or (isinstance(node.row, Conv) and node.inputs == (INPUT,))
    ]
