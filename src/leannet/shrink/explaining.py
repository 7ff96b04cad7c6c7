"""Why channels go together, and which cannot go: for people who ask before they prune. No torch."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from leannet.errors import LeannetError, nearest
from leannet.rows import Architecture
from leannet.rows.channels import Channels, channels
from leannet.rows.layers import MIXING


@dataclass(frozen=True)
class Reason:
    """What ties the channels of some layers: the layer at fault, and why."""

    path: str
    why: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """The channels of one layer. groups: of channels that go together, of this layer's; fixed: why some cannot go, and
    how many. with_layers: the other layers that become narrower with it."""

    path: str
    channels: int
    groups: int
    largest_group: int
    fixed: tuple[tuple[str, int], ...]
    with_layers: tuple[str, ...]
    reasons: tuple[Reason, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)


def explain(architecture: Architecture, row: str) -> tuple[Explanation, ...]:
    """What ties the channels of a row or layer, for each of its layers that makes channels.

    Raises LeannetError for an unknown one, and for one that makes none.
    """
    names = architecture.graph.by_path
    if row not in names:
        raise LeannetError(
            f"--explain {row}: {architecture.name} has no such row or layer; nearest: {nearest(row, names)}"
        )
    tied = channels(architecture)
    layers = [layer for layer in names[row].layers if isinstance(layer.row, MIXING)]
    if not layers:
        sources = ", ".join(dict.fromkeys(path for layer in names[row].layers for path in layer.inputs))
        raise LeannetError(f"--explain {row}: it makes no channels, it passes on those of {sources}: name that")
    return tuple(_explanation(tied, layer.path) for layer in layers)


def _explanation(tied: Channels, path: str) -> Explanation:
    own = tied.written[path]
    groups, sizes = np.unique(own, return_counts=True)
    fixed: dict[str, int] = {}
    for group, size in zip(groups.tolist(), sizes.tolist(), strict=True):
        if group in tied.fixed:
            fixed[tied.fixed[group]] = fixed.get(tied.fixed[group], 0) + size
    others = dict.fromkeys(maker for group in groups.tolist() for maker, _ in tied.makers[group] if maker != path)
    reasons = tuple(
        Reason(tie.path, tie.why, tie.makers)
        for tie in tied.tied_with(path)
        if path in tie.makers or not set(tie.makers).isdisjoint(others)
    )
    return Explanation(path, len(own), len(groups), int(sizes.max()), tuple(fixed.items()), tuple(others), reasons)
