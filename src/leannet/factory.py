"""`create`: a network by name, fresh or with weights."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from leannet.header import Header
from leannet.network import Network, build, transfer
from leannet.weights import read_weights
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
    weights: a checkpoint or run of leannet, a file with the keys of timm, torchvision or leannet as trainers write it,
    or `hub:OWNER/NAME`. The rows become those of the source; another number of classes, and a file without a head, get
    a fresh head, another number of channels an adapted stem. Each is said in a warning, as is which of a file's weights
    were taken. `network.origin` keeps preprocessing, class names, license and source, as far as they still hold.
    features_only: the rows up to `taps` (none: the last of each image size), which come as a dict by row name.
    Raises LeannetError for an unknown name, with the three nearest, for a resolution that the network cannot take, and
    for weights that cannot be read or do not fit.
    """
    if weights is None:
        network = build(architecture(name, width, resolution, classes, 3 if in_channels is None else in_channels))
    else:
        source, header = read_weights(weights, name, width, resolution, classes, _warn)
        if header.provenance.source is None:  # leannet's own: they must be those of the network asked for
            known = source.architecture
            rows = architecture(name, width, resolution, known.classes, known.input.channels)
            if resolution is None:
                rows = rows.with_input(known.input.height, known.input.width)
            same = build(rows)
            transfer(same, source.state_dict(), str(weights))
            source = same
        network = adapt(source, header, classes, in_channels, str(weights))
    return cut(network, taps) if features_only or taps else network


def cut(network: Network, taps: Sequence[str] = ()) -> Network:
    """The rows up to `taps`, with their weights; none: the last row of each image size."""
    table = network.architecture.only(*(taps or network.architecture.taps))
    backbone = build(table)
    own = backbone.state_dict()
    transfer(backbone, {key: value for key, value in network.state_dict().items() if key in own}, table.name)
    if network.origin is not None:
        backbone.origin = network.origin.for_rows(table)
    return backbone


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=4)  # at the line that calls `create`


def adapt(source: Network, header: Header, classes: int | None, in_channels: int | None, where: str) -> Network:
    """The same network for another number of classes and of input channels; says what was replaced."""
    rows, state = source.architecture, source.state_dict()
    old_classes, old_channels = rows.classes, rows.input.channels
    if classes is not None and classes != old_classes:
        rows = rows.with_classes(classes)
        warnings.warn(f"{where}: a fresh {rows.head} for {classes} classes in place of {old_classes}", stacklevel=3)
    if in_channels is not None and in_channels != old_channels:
        rows = rows.with_input(rows.input.height, rows.input.width, in_channels)
        stem = next(key for key in state if state[key].ndim == 4)
        state[stem] = _for_channels(state[stem], in_channels)
        warnings.warn(f"{where}: {stem} adapted from {old_channels} to {in_channels} channels", stacklevel=3)
    network = build(rows)
    fresh_head = rows.classes != old_classes
    transfer(network, state, where, fresh_head)
    network.origin = header.for_rows(rows, fresh_head)
    return network


def _for_channels(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """A stem for another number of channels: theirs in turn, scaled so that equal channels give the same sum.

    One grey channel sees the sum of the three, which is what three equal channels gave.
    """
    old = weight.shape[1]
    repeated = weight.repeat(1, -(-channels // old), 1, 1)[:, :channels] if channels >= old else weight[:, :channels]
    if channels < old:
        return weight.sum(dim=1, keepdim=True).expand(-1, channels, -1, -1).clone() / channels
    return repeated * (old / channels)
