"""`create`: a network by name, fresh or with weights."""

from pathlib import Path

from leannet.checkpoint import load
from leannet.network import Network, build, transfer
from leannet.zoo import architecture


def create(
    name: str,
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    in_channels: int = 3,
    weights: str | Path | None = None,
) -> Network:
    """A network of the zoo as a torch module in training mode: (N, C, H, W) float32 -> (N, classes).

    width: the family's own multiplier. resolution, classes: None: the family's own. weights: a checkpoint or run of
    leannet; a head of another number of classes stays fresh. Raises LeannetError for an unknown name, with the three
    nearest, for a resolution that the network cannot take, and for weights that do not fit.
    """
    network = build(architecture(name, width, resolution, classes, in_channels))
    if weights is not None:
        source, _ = load(weights)
        other = source.architecture.classes != network.architecture.classes
        transfer(network, source.state_dict(), str(weights), fresh_head=other)
    return network
