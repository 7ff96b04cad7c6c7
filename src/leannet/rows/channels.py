"""Which channels are tied, so that they can only go together, and what holds others in place. No torch.

Every channel is followed from the layer that makes it to those that read it. A sum ties each channel of one input to
that of the others, a shuffle those that it moves apart, and so on; what is tied is one group, and a pruned network
loses whole groups.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from leannet.rows.fields import INPUT
from leannet.rows.graph import Node
from leannet.rows.layers import (
    Add,
    Concat,
    Conv,
    Depthwise,
    Flatten,
    Linear,
    LocalResponse,
    Multiply,
    Shuffle,
    Slice,
)
from leannet.rows.table import Architecture

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Tie:
    """Why channels are tied: the layer at fault, what it does, and the layers whose channels it ties."""

    path: str
    why: str
    makers: tuple[str, ...]


@dataclass(frozen=True)
class Channels:
    """The groups of tied channels of an architecture, numbered from 0.

    written: for each layer the group of each channel of its output; a vector that was a map has a channel's group once
    a pixel. read: for each layer with weights the group of each channel that they read. held: the groups that cannot
    go, and why.
    """

    architecture: Architecture
    written: dict[str, Numbers]
    read: dict[str, Numbers]
    held: dict[int, str]
    ties: tuple[Tie, ...]

    @cached_property
    def count(self) -> int:
        """How many groups there are."""
        return 1 + max(int(groups.max()) for groups in self.written.values())

    @cached_property
    def makers(self) -> dict[int, tuple[tuple[str, int], ...]]:
        """For each group the channels that filters make: the path of the layer, and which of its channels."""
        makers: dict[int, list[tuple[str, int]]] = {group: [] for group in range(self.count)}
        for layer in self.architecture.layers:
            if isinstance(layer.row, Conv | Linear):
                for channel, group in enumerate(self.written[layer.path]):
                    makers[int(group)].append((layer.path, channel))
        return {group: tuple(channels) for group, channels in makers.items()}

    def tied_with(self, path: str) -> tuple[Tie, ...]:
        """Why the channels of a layer are tied, directly or through others."""
        reached, ties = {path}, list[Tie]()
        waiting = list(self.ties)
        while found := [tie for tie in waiting if not reached.isdisjoint(tie.makers)]:
            ties += found
            reached.update(*(tie.makers for tie in found))
            waiting = [tie for tie in waiting if tie not in found]
        return tuple(ties)


def channels(architecture: Architecture) -> Channels:
    """The groups of tied channels."""
    union = _Union()
    written: dict[str, Numbers] = {INPUT: union.fresh(architecture.input.channels)}
    makers: dict[str, frozenset[str]] = {INPUT: frozenset()}  # the layers that make a value's channels
    read: dict[str, Numbers] = {}
    holding: list[tuple[Numbers, str]] = [(written[INPUT], "the channels of the image")]
    ties: list[Tie] = []

    def tie(node: Node, why: str, *values: Numbers) -> None:
        union.tie(*values)
        involved = frozenset[str]().union(*(makers[path] for path in node.inputs), {node.path} & makers.keys())
        ties.append(Tie(node.path, why, tuple(sorted(involved))))

    for node in architecture.layers:
        row, values = node.row, [written[path] for path in node.inputs]
        x = values[0]
        makers[node.path] = frozenset[str]().union(*(makers[path] for path in node.inputs))
        match row:
            case Conv() | Linear():
                if isinstance(row, Linear):
                    x = _flat(node, x)
                written[node.path], read[node.path] = union.fresh(row.out_channels), x
                makers[node.path] = frozenset({node.path})
                if isinstance(row, Conv) and row.groups > 1:
                    one_each = row.groups == len(x) == row.out_channels
                    if one_each:
                        tie(node, "it convolves each channel by itself", x, written[node.path])
                    else:
                        tie(node, f"its {row.groups} groups have equally many channels", *x.reshape(row.groups, -1))
                        union.tie(*written[node.path].reshape(row.groups, -1))
            case Depthwise():
                written[node.path] = read[node.path] = x
            case Add():
                tie(node, "it adds them", *values)
                written[node.path] = x
            case Multiply():
                tie(node, "it multiplies them", *values)
                written[node.path] = x
            case Concat():
                written[node.path] = np.concatenate(values)
            case Slice():
                written[node.path] = x[row.start : row.start + row.out_channels]
            case Shuffle():
                tie(node, f"it moves channels between {row.groups} groups", *x.reshape(row.groups, -1))
                written[node.path] = x.reshape(row.groups, -1).T.reshape(-1)
            case Flatten():
                written[node.path] = _flat(node, x)
            case LocalResponse():
                holding.append((x, f"{node.path} normalizes each by its neighbors"))
                written[node.path] = x
            case _:
                written[node.path] = x
        if node.shares is not None and node.path in read:
            tie(node, f"it uses the weights of {node.shares}", read[node.path], read[node.shares])
            union.tie(written[node.path], written[node.shares])
            ties.append(Tie(node.path, f"it uses the weights of {node.shares}", (node.path, node.shares)))
    made_by = architecture.made_by
    holding += [(written[made_by[name]], f"an output of the network, {name}") for name in architecture.output_names]
    number = union.numbers()
    held: dict[int, str] = {}
    for values_held, why in holding:
        for group in np.unique(number[values_held]):
            held.setdefault(int(group), why)
    return Channels(
        architecture,
        {path: number[groups] for path, groups in written.items()},
        {path: number[groups] for path, groups in read.items()},
        held,
        tuple(tie for tie in ties if len(tie.makers) > 1 or "groups" in tie.why),
    )


def _flat(node: Node, x: Numbers) -> Numbers:
    """The channel of each value of a map as a vector, (C, H, W)."""
    shape = node.in_shapes[0]
    return np.repeat(x, shape.height * shape.width) if len(x) == shape.channels else x


class _Union:
    """Sets of numbers that are joined."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def fresh(self, count: int) -> Numbers:
        """Numbers that are tied to none."""
        start = len(self._parents)
        self._parents += range(start, start + count)
        return np.arange(start, start + count)

    def tie(self, *values: Numbers) -> None:
        """Joins the first of all, the second of all, and so on."""
        for first, *others in zip(*(value.tolist() for value in values), strict=True):
            for other in others:
                self._parents[self._root(other)] = self._root(first)

    def numbers(self) -> Numbers:
        """For each number that of its set, counted from 0 in the order of their first members."""
        roots = [self._root(number) for number in range(len(self._parents))]
        order = {root: place for place, root in enumerate(dict.fromkeys(roots))}
        return np.array([order[root] for root in roots])

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number
