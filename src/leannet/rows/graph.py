"""The table as a graph: blocks expanded, every row given its shapes, every name and shared weight checked, once.

The executor, the counter, the diagrams, the exporters and calibration all read what stands here.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from traceback import extract_tb

from pydantic import ValidationError

from leannet.errors import LeannetError, nearest
from leannet.rows.blocks import BlockBase
from leannet.rows.error_lines import first_error, numbered
from leannet.rows.fields import INPUT, RowError, Shape
from leannet.rows.layers import LayerBase, Linear, RowBase

LABELS = {"name", "inputs", "shares"}  # the fields that say where a row stands, not what it is


@dataclass(frozen=True)
class Node:
    """A row in its network: what it reads, its shapes, and for a block what is inside."""

    path: str  # "block_1.expand": the blocks around it, then its own name
    row: RowBase
    reads: tuple[str, ...]  # names of the rows beside it, or of what the block around it reads: "input", "input_2"
    inputs: tuple[str, ...]  # the same as paths of layers, blocks expanded, or "input"
    in_shapes: tuple[Shape, ...]
    out_shape: Shape
    shares: str | None  # the path of the node whose weights it uses
    inside: tuple["Node", ...] = ()

    @property
    def top(self) -> str:
        """The row of the architecture that it is, or is inside of."""
        return self.path.split(".")[0]

    @property
    def made_by(self) -> str:
        """The path of the layer that makes its output: itself, or the last one inside."""
        return self.inside[-1].made_by if self.inside else self.path

    @property
    def layers(self) -> Iterator["Node"]:
        """The layers inside it in order, blocks expanded; of a layer itself."""
        if not self.inside:
            yield self
        for node in self.inside:
            yield from node.layers


@dataclass(frozen=True)
class Graph:
    """The nodes of an architecture, one a row."""

    nodes: tuple[Node, ...]

    @cached_property
    def layers(self) -> tuple[Node, ...]:
        """Every layer in order, blocks expanded."""
        return tuple(layer for node in self.nodes for layer in node.layers)

    @cached_property
    def by_path(self) -> dict[str, Node]:
        """Every node, those inside blocks too, by its path."""
        return dict(_by_path(self.nodes))

    @cached_property
    def readers(self) -> dict[str, tuple[Node, ...]]:
        """For "input" and the path of each layer the layers that read it, in order; () for one that none reads."""
        readers: dict[str, tuple[Node, ...]] = {INPUT: (), **{layer.path: () for layer in self.layers}}
        for layer in self.layers:
            for path in dict.fromkeys(layer.inputs):
                readers[path] += (layer,)
        return readers


def _by_path(nodes: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    for node in nodes:
        yield node.path, node
        yield from _by_path(node.inside)


class ShapeErrors(LeannetError):
    """Rows that do not fit together: an error for each row whose inputs are known."""

    def __init__(self, lines: Sequence[str]):
        super().__init__(numbered(lines))
        self.lines = tuple(lines)


def input_name(number: int) -> str:
    """What rows call what the table around them reads, counted from 0: "input", "input_2"."""
    return INPUT if number == 0 else f"{INPUT}_{number + 1}"


def resolve(
    rows: Sequence[RowBase], inputs: Sequence[tuple[str, Shape]], prefix: str = "", owner: str | None = None
) -> tuple[Node, ...]:
    """The nodes of rows, in order.

    inputs: path and shape of what the rows read. prefix: the path of the block that they are inside of, and a dot.
    owner: the prefix of the block whose weights these rows use.
    Raises ShapeErrors, a LeannetError: rows and fields that are impossible, but for those that follow from another.
    """
    outputs = {input_name(number): value for number, value in enumerate(inputs)}  # name -> the layer's path, its shape
    nodes: dict[str, Node] = {}
    broken: set[str] = set()
    errors: list[str] = []
    above = INPUT
    for number, row in enumerate(rows, start=1):
        try:
            if row.name in outputs or row.name in broken:
                raise RowError("name", "another row or input has this name")
            names = row.inputs or (above,)
            above = row.name
            for name in names:
                if name not in outputs and name not in broken:
                    raise RowError("inputs", f"no row above is named '{name}'; nearest: {nearest(name, outputs)}")
            least, most = row.arity if isinstance(row.arity, tuple) else (row.arity or 2, row.arity or len(names))
            if not least <= len(names) <= most:
                wanted = f"{least} or {most}" if isinstance(row.arity, tuple) else row.arity or "two or more"
                raise RowError("inputs", f"expected {wanted}, found {len(names)}")
            if broken.intersection(names):
                broken.add(row.name)
                continue
            paths, shapes = zip(*(outputs[name] for name in names), strict=True)
            if row.shares is not None and row.shares in broken:
                broken.add(row.name)
                continue
            if row.shares is not None:
                _check_sharing(row, shapes, nodes)
            shares = prefix + row.shares if row.shares else None
            if owner is not None:
                shares = owner + (row.shares or row.name)
            path = prefix + row.name
            inside: tuple[Node, ...] = ()
            if isinstance(row, BlockBase):
                inner = list(zip(paths, shapes, strict=True))
                inside = resolve(_expand(row, shapes), inner, path + ".", shares + "." if shares else None)
                if not inside:
                    raise RowError("kind", f"'{row.kind}' expands to no rows here")
                shape = inside[-1].out_shape
            else:
                assert isinstance(row, LayerBase)
                shape = row.out_shape(*shapes)
            node = nodes[row.name] = Node(path, row, names, paths, shapes, shape, shares, inside)
            outputs[row.name] = (node.made_by, shape)
        except RowError as error:
            where = f"row '{prefix}{row.name}'" + ("" if prefix else f" ({number} of {len(rows)})")
            errors.append(f"{where}, field '{error.field}': {error}")
            broken.add(row.name)
        except ShapeErrors as error:
            errors += error.lines
            broken.add(row.name)
    if errors:
        raise ShapeErrors(errors)
    return tuple(nodes.values())


def _expand(row: BlockBase, shapes: Sequence[Shape]) -> Sequence[RowBase]:
    """The rows of a block. Raises RowError for whatever the code of somebody's own block raises, with its line."""
    try:
        rows = row.expand(*shapes)
    except LeannetError:
        raise
    except Exception as error:  # a block of the user's may raise anything
        message = first_error(error) if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        file = getattr(sys.modules.get(type(row).__module__), "__file__", None)
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
        where = f" ({file}, line {lines[-1]})" if lines else ""
        raise RowError("kind", f"'{row.kind}' cannot be expanded here: {message}{where}") from error
    if not isinstance(rows, Sequence):
        raise RowError("kind", f"'{row.kind}' cannot be expanded: expected rows from expand, found {rows!r}")
    return rows


def _check_sharing(row: RowBase, shapes: Sequence[Shape], nodes: Mapping[str, Node]) -> None:
    """Raises RowError where the row cannot use the weights of the row that it names."""
    assert row.shares is not None
    node = nodes.get(row.shares)
    if node is None:
        raise RowError("shares", f"no row above is named '{row.shares}'; nearest: {nearest(row.shares, nodes)}")
    owner = node.row
    if owner.shares is not None:
        raise RowError("shares", f"'{row.shares}' itself uses the weights of '{owner.shares}': name that one")
    mine, theirs = row.model_dump(exclude=LABELS), owner.model_dump(exclude=LABELS)
    for field, value in mine.items():
        if theirs.get(field) != value:
            raise RowError("shares", f"'{owner.name}' has {field} {theirs.get(field)}, this row has {value}")
    same = tuple(shapes) == node.in_shapes if isinstance(row, Linear) else True
    if not same or [shape.channels for shape in shapes] != [shape.channels for shape in node.in_shapes]:
        raise RowError("shares", f"'{owner.name}' reads other widths than this row")
