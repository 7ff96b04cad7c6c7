"""What can be chosen in a network: its widths, in groups of channels that go together; and what it costs without some.

No torch. Nothing is built to know a cost: of each layer the channels that it makes and reads are counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leannet.cost import lifetimes
from leannet.rows.channels import Channels
from leannet.rows.graph import Node
from leannet.rows.layers import MIXING, Conv
from leannet.rows.parameters import parameters, uses

Unit = Literal["macs", "params", "size_bytes", "activation_bytes", "channels"]
FLOAT = 4  # bytes
COUNTER = 8  # of batch norm's counter of batches


@dataclass(frozen=True, eq=False)
class Width:
    """Groups of tied channels that can go one after another, since each leaves the same layers as much narrower.

    row: the path of the first layer that makes them, by which a plan calls them. makers: all layers that make them.
    groups: their numbers, in that layer's order. each: how many of that layer's channels are in a group.
    """

    row: str
    makers: tuple[str, ...]
    groups: NDArray[np.int64]
    each: int


def widths(channels: Channels) -> tuple[Width, ...]:
    """All widths of a network, in the order of its layers; groups that cannot go, and the image's, are in none."""
    uses: list[Counter[tuple[str, str]]] = [Counter() for _ in range(channels.count)]
    for role, values in (("written", channels.written), ("read", channels.read)):
        for path, groups in values.items():
            for group, number in zip(*np.unique(groups, return_counts=True), strict=True):
                uses[group][role, path] = int(number)
    alike: dict[frozenset[tuple[tuple[str, str], int]], list[int]] = {}
    for group, makers in channels.makers.items():
        if makers and group not in channels.fixed:
            alike.setdefault(frozenset(uses[group].items()), []).append(group)
    order = {layer.path: number for number, layer in enumerate(channels.architecture.layers)}
    result = []
    for numbers in alike.values():
        makers = channels.makers[numbers[0]]
        row = min((path for path, _ in makers), key=order.__getitem__)
        result.append(
            Width(
                row,
                tuple(dict.fromkeys(path for path, _ in makers)),
                np.array(numbers),
                uses[numbers[0]]["written", row],
            )
        )
    return tuple(sorted(result, key=lambda width: (order[width.row], int(width.groups[0]))))


class Costs:
    """What a network costs with fewer channels. `fewer` is always, for each width, how many of its groups are gone:
    (widths,), or (N, widths) of several choices at once.

    overhead_bytes: what a file has beside its tensors.
    """

    def __init__(self, channels: Channels, of: Sequence[Width], overhead_bytes: int = 0):
        architecture = channels.architecture
        layers = architecture.layers
        self.widths, self.paths, self._overhead = tuple(of), [layer.path for layer in layers], overhead_bytes
        owners = [layer.shares is None for layer in layers]
        pixels = np.array([layer.out_shape.height * layer.out_shape.width for layer in layers])
        # Of each layer: parameters for each pair of channels, read and made; for each one made; and other numbers.
        learned, stored = np.zeros((2, len(layers))), np.zeros((2, len(layers)))
        weights, rest = np.zeros((2, len(layers))), np.zeros(len(layers))
        for number, layer in enumerate(layers):
            for parameter in parameters(layer):
                spatial = [size for size, axis in zip(parameter.shape, parameter.axes, strict=True) if axis == ""]
                of_spatial = int(np.prod(spatial))
                if not parameter.axes:
                    rest[number] += COUNTER * owners[number]
                    continue
                kind = 0 if "in" in parameter.axes and self._reads(layer) else 1
                if parameter.kind == "weight":
                    weights[kind, number] += of_spatial
                learned[kind, number] += of_spatial * owners[number] * parameter.learned
                stored[kind, number] += FLOAT * of_spatial * owners[number]
        self._macs, self._learned, self._stored, self._rest = (
            weights * np.array([uses(layer) for layer in layers]),
            learned,
            stored,
            float(rest.sum()),
        )
        self._out = np.array([layer.out_shape.channels for layer in layers])
        self._in = np.ones(len(layers), np.int64)
        self._pixels = pixels
        self._out_of, self._in_of = np.zeros((2, len(self.widths), len(layers)), np.int64)
        for number, layer in enumerate(layers):
            self._out_of[:, number] = self._count(channels.written[layer.path])
            if layer.path in channels.read and self._reads(layer):
                groups = layer.row.groups if isinstance(layer.row, Conv) else 1
                self._in[number] = len(channels.read[layer.path]) // groups
                self._in_of[:, number] = self._count(channels.read[layer.path]) // groups
        self._makers = np.array([isinstance(layer.row, MIXING) for layer in layers])
        self._input = architecture.input.shape.elements
        self._alive = np.zeros((1 + len(layers), len(layers)), np.int64)
        for value, lifetime in enumerate(lifetimes(architecture)):
            self._alive[value, lifetime.start : lifetime.stop] = 1

    @staticmethod
    def _reads(layer: Node) -> bool:
        """Whether the filters of a layer are the smaller, the less it reads; not those of one channel each."""
        groups = layer.row.groups if isinstance(layer.row, Conv) else 1
        return isinstance(layer.row, MIXING) and (groups == 1 or layer.in_shapes[0].channels > groups)

    def _count(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of each width how often one of its groups is among these."""
        return np.array([np.count_nonzero(groups == width.groups[0]) for width in self.widths], np.int64)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """How many each width has."""
        return np.array([len(width.groups) for width in self.widths], np.int64)

    @cached_property
    def before(self) -> NDArray[np.int64]:
        """The channels that each layer makes when none is gone."""
        return self._out

    def layer(self, path: str) -> int:
        """The number of a layer."""
        return self.paths.index(path)

    def channels(self, fewer: NDArray[np.int64]) -> NDArray[np.int64]:
        """That each layer makes: (..., layers)."""
        return self._out - fewer @ self._out_of

    def of(self, unit: Unit, fewer: NDArray[np.int64]) -> NDArray[np.float64]:
        """The cost in a unit: (...). activation_bytes is the peak, of float32 and one image."""
        if unit == "activation_bytes":
            return FLOAT * np.asarray(self.live(fewer).max(axis=-1), float)
        out = self.channels(fewer)
        if unit == "channels":
            return np.asarray(out[..., self._makers].sum(axis=-1), float)
        pairs = out * (self._in - fewer @ self._in_of)
        by_pair, by_channel = {"macs": self._macs, "params": self._learned, "size_bytes": self._stored}[unit]
        total = pairs @ by_pair + out @ by_channel
        return total + self._rest + self._overhead if unit == "size_bytes" else total

    def live(self, fewer: NDArray[np.int64]) -> NDArray[np.float64]:
        """The activations in memory while each layer runs, in numbers: (..., layers)."""
        sizes = self.channels(fewer) * self._pixels
        return np.asarray(sizes @ self._alive[1:] + self._input * self._alive[0], float)
