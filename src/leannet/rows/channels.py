"""Which channels are tied, so that they can only go together, and which cannot be removed. No torch.

Every channel is followed from the layer that makes it to those that read it. A sum ties each channel of one input to
that of the others, a shuffle those that it moves apart, and so on; what is tied is one group, and a pruned network
loses whole groups.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from leannet.rows.fields import INPUT
from leannet.rows.finding import VALUES
from leannet.rows.graph import Graph, Node
from leannet.rows.layers import (
    MIXING,
    Activate,
    Add,
    Choose,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    Largest,
    Linear,
    LocalResponse,
    Multiply,
    Normalize,
    Pool,
    Resize,
    Shuffle,
    Slice,
    Softmax,
    TopBoxes,
    TransposedConv,
    Zeros,
)
from leannet.rows.parameters import parameters
from leannet.rows.table import Architecture

Numbers = NDArray[np.int64]
APART = (Activate, Depthwise, Dropout, Normalize, Pool)  # layers that keep each channel in its place


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
    a pixel. read: for each layer with weights the group of each channel that they read. fixed: the groups that cannot
    go, and why.
    """

    architecture: Architecture
    written: dict[str, Numbers]
    read: dict[str, Numbers]
    fixed: dict[int, str]
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
            if isinstance(layer.row, MIXING):
                for channel, group in enumerate(self.written[layer.path]):
                    makers[int(group)].append((layer.path, channel))
        return {group: tuple(channels) for group, channels in makers.items()}

    def tied_with(self, path: str) -> tuple[Tie, ...]:
        """Why the channels of a layer are tied, directly or through others."""
        reached, ties = {path}, list[Tie]()
        waiting = list(self.ties)
        while matching := [tie for tie in waiting if not reached.isdisjoint(tie.makers)]:
            ties += matching
            reached.update(*(tie.makers for tie in matching))
            waiting = [tie for tie in waiting if tie not in matching]
        return tuple(ties)


def channels(architecture: Architecture) -> Channels:
    """The groups of tied channels."""
    union = _Union()
    written: dict[str, Numbers] = {INPUT: union.fresh(architecture.input.channels)}
    makers: dict[str, frozenset[str]] = {INPUT: frozenset()}  # the layers that make a value's channels
    sources_of: dict[str, frozenset[str]] = {}  # the makers of what a layer reads
    read: dict[str, Numbers] = {}
    fixing: list[tuple[Numbers, str]] = [(written[INPUT], "the image has it")]
    ties: list[Tie] = []

    def tie(path: str, why: str, involved: Collection[str], *values: Numbers) -> None:
        union.tie(*values)
        ties.append(Tie(path, why, tuple(sorted(involved))))

    for node in architecture.layers:
        row, values, path = node.row, [written[source] for source in node.inputs], node.path
        x = values[0]
        sources = makers[path] = frozenset[str]().union(*(makers[source] for source in node.inputs))
        match row:
            case Conv() | TransposedConv() | Linear():
                if isinstance(row, Linear):
                    x = _flat(node, x)
                out = written[path] = union.fresh(row.out_channels)
                read[path], makers[path] = x, frozenset({path})
                if isinstance(row, Conv) and row.groups > 1:
                    if row.groups == len(x) == row.out_channels:
                        tie(path, "it convolves each channel by itself", sources | {path}, x, out)
                    else:
                        why = f"its {row.groups} groups have equally many channels"
                        tie(path, why, sources, *x.reshape(row.groups, -1))
                        if not _shuffled_next(architecture.graph, node):  # else the shuffle ties one of each group
                            tie(path, why, {path}, *out.reshape(row.groups, -1))
            case Depthwise():
                written[path] = read[path] = x
            case Add():
                tie(path, "it adds them", sources, *values)
                written[path] = x
            case Multiply():
                tie(path, "it multiplies them", sources, *values)
                written[path] = x
            case Concat():
                written[path] = np.concatenate(values)
            case Resize():
                written[path], makers[path] = x, makers[node.inputs[0]]
            case Slice():
                written[path] = x[row.start : row.start + row.out_channels]
            case Shuffle():
                out = written[path] = x.reshape(row.groups, -1).T.reshape(-1)
                whole, rest = _shuffled(out, row.groups, _groups_that_read(architecture.graph, path))
                tie(path, f"it moves channels between {row.groups} groups", sources, *whole)
                if len(rest):
                    fixing.append((rest, f"{path} leaves it over in the groups of the convolution that follows"))
            case Flatten():
                written[path] = _flat(node, x)
            case Choose():
                tie(path, "it chooses between them", sources, *values[:2])
                fixing.append((values[2], f"{path} is decided by it"))
                written[path] = x
            case Softmax() | Largest():
                fixing.append((x, f"{path} compares it with the others"))
                written[path] = x if isinstance(row, Softmax) else union.fresh(1)
            case TopBoxes():
                for each in values:
                    fixing.append((each, f"{path} finds boxes by it"))
                written[path] = union.fresh(VALUES)
            case Zeros():
                written[path] = union.fresh(row.out_channels)
                fixing.append((written[path], f"{path} makes it"))
            case LocalResponse():
                fixing.append((x, f"{path} normalizes each channel by its neighbors"))
                written[path] = x
            case _:
                written[path] = x
        if (owner := node.shares) is not None and parameters(node):
            why = f"it uses the weights of {owner}"
            tie(path, why, makers[path] | makers[owner], written[path], written[owner])
            if path in read:
                tie(path, why, sources | sources_of[owner], read[path], read[owner])
        sources_of[path] = sources
    made_by = architecture.made_by
    fixing += [
        (written[made_by[name]], f"it is an output of the network, {name}") for name in architecture.output_names
    ]
    number = union.numbers()
    fixed: dict[int, str] = {}
    for fixed_values, why in fixing:
        for group in np.unique(number[fixed_values]):
            fixed.setdefault(int(group), why)
    return Channels(
        architecture,
        {path: number[groups] for path, groups in written.items()},
        {path: number[groups] for path, groups in read.items()},
        fixed,
        tuple(ties),
    )


def _shuffled_next(graph: Graph, node: Node) -> bool:
    """Whether a shuffle of as many groups is all that reads a grouped convolution."""
    readers = [reader.row for reader in graph.readers[node.path]]
    return bool(readers) and all(
        isinstance(row, Shuffle) and isinstance(node.row, Conv) and row.groups == node.row.groups for row in readers
    )


def _groups_that_read(graph: Graph, path: str) -> int:
    """The groups of the convolution that reads a layer, perhaps through others that keep the channels apart."""
    readers = graph.readers[path]
    if len(readers) != 1:
        return 1
    (reader,) = readers
    if isinstance(reader.row, Conv):
        return reader.row.groups if reader.row.groups < reader.in_shapes[0].channels else 1
    return _groups_that_read(graph, reader.path) if isinstance(reader.row, APART) else 1


def _shuffled(out: Numbers, groups: int, reading: int) -> tuple[Numbers, Numbers]:
    """Of shuffled channels those that go together, (groups, sets), and those left over.

    The channels take turns by group, and still do without any that follow each other, one of each group. Where a
    grouped convolution reads them, such sets lie within one of its groups.
    """
    parts = out.reshape(reading, -1)
    whole = parts.shape[1] // groups * groups
    return parts[:, :whole].reshape(-1, groups).T, parts[:, whole:].reshape(-1)


def _flat(node: Node, x: Numbers) -> Numbers:
    """The channel of each value of a map as a vector, (C, H, W)."""
    shape = node.in_shapes[0]
    return np.repeat(x, shape.height * shape.width)


class _Union:
    """Disjoint sets of numbers (union-find)."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def fresh(self, count: int) -> Numbers:
        """Numbers that are tied to none."""
        start = len(self._parents)
        self._parents += range(start, start + count)
        return np.arange(start, start + count)

    def tie(self, *values: Numbers) -> None:
        """Merges the sets of the first of all, of the second of all, and so on."""
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
