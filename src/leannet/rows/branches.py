"""Linear branches that fold into one layer: the table that is deployed, from the one that is trained. No torch.

A sum of convolutions of one map, of the map normalized, and of the map itself is a convolution (Ding et al., "RepVGG",
arXiv 2101.03697, section 3.3); a normalization behind it, or before a fully connected layer, folds in too. What can be
folded is found in the rows, whatever the block; a `Map` says how a new layer's weights follow from the old ones.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from leannet.rows.base import RowBase
from leannet.rows.blocks import BlockBase
from leannet.rows.graph import Node
from leannet.rows.layers import Add, Conv, Depthwise, Linear, Normalize
from leannet.rows.table import Architecture


@dataclass(frozen=True)
class Map:
    """A linear map: of a layer, or a sum of branches, or, with neither, what it reads.

    first, last: normalizations before and behind it. average: the mean of the branches and not their sum.
    """

    layer: str | None = None
    branches: tuple["Map", ...] = ()
    first: str | None = None
    last: str | None = None
    average: bool = False


@dataclass(frozen=True)
class Deployed:
    """A table whose branches are folded.

    maps: how the weights of each new layer follow from the trained ones. moved: for each other layer the path that it
    had before.
    """

    architecture: Architecture
    maps: Mapping[str, Map]
    moved: Mapping[str, str]


def shipped(architecture: Architecture) -> Architecture:
    """The table as it leaves: without auxiliary heads, and with every branch folded that can be."""
    return deploy(architecture.without_auxiliary()).architecture


def deploy(architecture: Architecture) -> Deployed:
    """The table with every branch folded that can be; rows that share weights, and outputs, stay.

    A block in which something is folded is written out as its rows; where a single one is left, it takes the block's
    name. A table with a block whose authors fold every normalization (`folds_norms`) has none left, anywhere.
    """
    all_norms = any(isinstance(row, BlockBase) and row.folds_norms for row in architecture.rows)
    flat, moved, opened = (
        architecture,
        {layer.path: layer.path for layer in architecture.layers},
        dict[str, list[str]](),
    )
    while blocks := [node for node in flat.graph.nodes if node.inside and _has_branches(node, flat, all_norms)]:
        paths = {node.path: node for node in blocks}
        renamed = {}
        for layer in flat.layers:
            block = paths.get(layer.top)
            renamed[layer.path] = layer.path if block is None else _opened(layer.path, len(block.inside) == 1)
        moved = {renamed[new]: old for new, old in moved.items()}
        opened |= {node.path: [f"{node.path}_{each.row.name}" for each in node.inside] for node in blocks}
        flat = flat.rewrite(partial(_inside, paths))
    table = _Table(flat.graph.nodes, flat.output_names, all_norms)
    table.fold()
    if not table.maps:
        return Deployed(architecture, {}, {layer.path: layer.path for layer in architecture.layers})
    return _named(flat, table, moved, opened)


def _opened(path: str, single: bool) -> str:
    """A path whose block is written out: a single row has the block's name, several theirs behind it."""
    block, _, rest = path.partition(".")
    return f"{block}{rest[len(rest.partition('.')[0]) :]}" if single else f"{block}_{rest}"


def _inside(paths: Mapping[str, Node], node: Node) -> Sequence[RowBase] | None:
    """The rows inside a block of those paths."""
    return [each.row for each in node.inside] if node.path in paths else None


def _has_branches(node: Node, architecture: Architecture, all_norms: bool) -> bool:
    """Whether something can be folded in a block, or in one inside it."""
    if node.shares is not None or any(other.shares == node.path for other in architecture.graph.nodes):
        return False
    taken = {other.row.name for other in architecture.graph.nodes}
    if any(f"{node.row.name}_{each.row.name}" in taken for each in node.inside):  # its rows could not be named
        return False
    if any(each.inside and _has_branches(each, architecture, all_norms) for each in node.inside):
        return True
    table = _Table(node.inside, {node.inside[-1].row.name}, all_norms)
    table.fold()
    return bool(table.maps)


class _Table:
    """Rows beside each other, while branches are folded. outputs: rows that are read from elsewhere."""

    def __init__(self, nodes: Sequence[Node], outputs: Collection[str], all_norms: bool):
        self.rows = {node.row.name: node.row for node in nodes}
        self.reads = {node.row.name: node.reads for node in nodes}
        self.channels = {node.row.name: node.out_shape.channels for node in nodes}
        for node in nodes:
            self.channels |= {name: shape.channels for name, shape in zip(node.reads, node.in_shapes, strict=True)}
        self.outputs, self.all_norms = set(outputs), all_norms
        self.shared = {node.row.shares for node in nodes} | {node.row.name for node in nodes if node.row.shares}
        self.maps: dict[str, Map] = {}

    def fold(self) -> None:
        """Folds what can be."""
        for name, row in list(self.rows.items()):
            if isinstance(row, Linear):
                self._normalized_before(name)
        for name, row in list(self.rows.items()):
            if isinstance(row, Add):
                self._sum(name, row)
        for name, row in list(self.rows.items()):
            if isinstance(row, Normalize):
                self._normalized_behind(name)
        for name, row in list(self.rows.items()):
            if (
                self.all_norms
                and isinstance(row, Conv | Depthwise)
                and row.norm is not None
                and name not in self.shared
            ):
                self.maps[name] = Map(layer=name)
                self.rows[name] = row.model_copy(update={"norm": None, "bias": True})

    def _is_branch(self, name: str, reader: str) -> bool:
        """Whether a row is linear, and read by one alone."""
        row = self.rows.get(name)
        linear = isinstance(row, Normalize) or (
            isinstance(row, Conv | Depthwise | Linear) and row.activation == "linear"
        )
        readers = [other for other, reads in self.reads.items() if name in reads]
        return linear and readers == [reader] and name not in self.outputs | self.shared

    def _map(self, name: str) -> Map:
        return self.maps.pop(name, Map(layer=name))

    def _drop(self, *names: str) -> None:
        for name in names:
            del self.rows[name], self.reads[name]

    def _normalized_before(self, name: str) -> None:
        (source,) = self.reads[name]
        if name not in self.shared and isinstance(self.rows.get(source), Normalize) and self._is_branch(source, name):
            self.maps[name] = Map(layer=name, first=source)
            self.rows[name] = self.rows[name].model_copy(update={"bias": True})
            self.reads[name] = self.reads[source]
            self._drop(source)

    def _normalized_behind(self, name: str) -> None:
        (source,) = self.reads[name]
        folded = self.maps.get(source)
        if folded is not None and folded.last is None and name not in self.shared and self._is_branch(source, name):
            self.rows[name] = self.rows[source].model_copy(update={"name": name})
            self.reads[name] = self.reads[source]
            self.maps[name] = replace(self._map(source), last=name)
            self._drop(source)

    def _sum(self, name: str, add: Add) -> None:
        branches = [source for source in self.reads[name] if self._is_branch(source, name)]
        sources = {self.reads[each][0] if each in branches else each for each in self.reads[name]}
        rows = [self.rows[each] for each in branches]
        layers = [row for row in rows if not isinstance(row, Normalize)]
        twice, kinds = len(set(self.reads[name])) < len(self.reads[name]), {type(row) for row in layers}
        if twice or name in self.shared or len(sources) != 1 or len(self.reads[name]) < 2 or len(kinds) != 1:
            return
        (source,) = sources
        plain = len(layers) < len(self.reads[name])  # the map itself, or only normalized, is a branch
        if (row := self._together(layers, add, plain and self.channels[source] != self.channels[name])) is None:
            return
        of = {each: self._map(each) if each in branches else Map() for each in self.reads[name]}
        self.maps[name] = Map(branches=tuple(of[each] for each in self.reads[name]), average=add.average)
        self.rows[name], self.reads[name] = row.model_copy(update={"name": name}), (source,)
        self._drop(*branches)

    def _together(self, layers: Sequence[RowBase], add: Add, widths_differ: bool) -> RowBase | None:
        """The layer that does what all of these do; None: there is none."""
        first, fields = layers[0], {"bias": True, "activation": add.activation}
        if isinstance(first, Linear):
            return None if widths_differ else first.model_copy(update=fields)
        windows = [row for row in layers if isinstance(row, Conv | Depthwise)]
        centered = all(
            row.padding in ("symmetric", "same", "valid", 0) if row.sides == (1, 1)
            else row.kernel_width is None and row.padding == "symmetric" and row.kernel % 2 == 1
            for row in windows
        )  # fmt: skip
        alike = {(row.stride, getattr(row, "groups", 0)) for row in windows}
        if not centered or len(alike) > 1 or (widths_differ and isinstance(first, Conv)):
            return None
        largest = max(windows, key=lambda row: row.kernel)
        return largest.model_copy(update={**fields, "norm": None, "padding": "symmetric"})


def _named(flat: Architecture, table: _Table, moved: Mapping[str, str], opened: Mapping[str, list[str]]) -> Deployed:
    """The folded rows as an architecture; a block of which one row is left gives it its name."""
    names = {name: name for name in table.rows}
    for block, inner in opened.items():
        left = [name for name in table.rows if name in inner]
        if len(left) == 1 and block not in table.rows:
            names[left[0]] = block
    rows = []
    for name, row in table.rows.items():
        inputs = tuple(names.get(each, each) for each in table.reads[name])
        rows.append(row.model_copy(update={"name": names[name], "inputs": inputs}))
    outputs = tuple(output.model_copy(update={"row": names[output.row]}) for output in flat.outputs)
    architecture = Architecture(name=flat.name, input=flat.input, rows=tuple(rows), outputs=outputs)
    maps = {names[name]: _in_old_paths(map_, moved) for name, map_ in table.maps.items()}
    kept = {layer.path: layer for layer in architecture.layers if layer.path not in maps}
    back = {names.get(path.split(".")[0], path.split(".")[0]) + path[len(path.split(".")[0]) :]: old
            for path, old in moved.items()}  # fmt: skip
    return Deployed(architecture, maps, {path: back[path] for path in kept})


def _in_old_paths(map_: Map, moved: Mapping[str, str]) -> Map:
    def old(path: str | None) -> str | None:
        return None if path is None else moved[path]

    branches = tuple(_in_old_paths(each, moved) for each in map_.branches)
    return replace(map_, layer=old(map_.layer), branches=branches, first=old(map_.first), last=old(map_.last))
