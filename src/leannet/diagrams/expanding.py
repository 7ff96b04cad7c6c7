"""The rows that a block expands to, by its path, with every shape."""

from collections.abc import Sequence
from dataclasses import dataclass

from leannet.errors import LeannetError, nearest
from leannet.rows import INPUT, Architecture, BlockBase, RowBase, Shape, Slice, infer_shapes


@dataclass(frozen=True)
class ExpandedRow:
    """A row inside a block, or the block itself: its path, what it reads, and its shapes."""

    row: RowBase
    path: str  # "block_4.squeeze_excite"
    reads: tuple[str, ...]  # names of the rows beside it
    in_shapes: tuple[Shape, ...]
    out: Shape

    @property
    def resizes(self) -> bool:
        """Whether height and width change from input to output."""
        return self.out[1:] != self.in_shapes[0][1:]


def find(architecture: Architecture, path: str) -> ExpandedRow:
    """The block of that path. Raises LeannetError where there is none, or where it has nothing inside."""
    first, *rest = path.split(".")
    row = architecture.row(first)
    shapes = {INPUT: architecture.input.shape, **architecture.shapes}
    reads = architecture.reads()[first]
    block = ExpandedRow(row, first, reads, tuple(shapes[name] for name in reads), shapes[first])
    for name in rest:
        inside = {expanded.row.name: expanded for expanded in inside_of(block, architecture)}
        if name not in inside:
            raise LeannetError(f"'{block.path}' has no '{name}' inside; nearest: {nearest(name, inside)}")
        block = inside[name]
    _block(block, architecture)
    return block


def inside_of(block: ExpandedRow, architecture: Architecture) -> list[ExpandedRow]:
    """The rows inside a block. Raises LeannetError where it is not a block."""
    inputs = [(input_name(number), shape) for number, shape in enumerate(block.in_shapes)]
    rows = _block(block, architecture).expand(*block.in_shapes)
    _, outputs = infer_shapes(rows, inputs)
    shapes = dict(inputs) | {name: shape for name, (_, shape) in outputs.items()}
    expanded, above = [], INPUT
    for row in rows:
        reads = row.inputs or (above,)
        in_shapes = tuple(shapes[name] for name in reads)
        expanded.append(ExpandedRow(row, f"{block.path}.{row.name}", reads, in_shapes, shapes[row.name]))
        above = row.name
    return expanded


def input_name(number: int) -> str:
    """What the rows inside a block call its inputs: "input", "input_2"."""
    return INPUT if number == 0 else f"{INPUT}_{number + 1}"


def splits(rows: Sequence[ExpandedRow]) -> dict[str, list[ExpandedRow]]:
    """For each slice that is part of a channel split: all slices of that split, in order of their channels."""
    split_of: dict[str, list[ExpandedRow]] = {}
    for source in dict.fromkeys(expanded.reads[0] for expanded in rows):
        slices = [
            (expanded.row.start, expanded)
            for expanded in rows
            if isinstance(expanded.row, Slice) and expanded.reads[0] == source
        ]
        slices.sort(key=lambda pair: pair[0])
        ends = [0]
        for start, expanded in slices:
            if start == ends[-1]:
                ends.append(start + expanded.out.channels)
        if len(slices) > 1 and len(ends) == len(slices) + 1 and ends[-1] == slices[0][1].in_shapes[0].channels:
            split = [expanded for _, expanded in slices]
            split_of |= {expanded.row.name: split for expanded in split}
    return split_of


def _block(block: ExpandedRow, architecture: Architecture) -> BlockBase:
    if isinstance(block.row, BlockBase):
        return block.row
    blocks = [row.name for row in architecture.rows if isinstance(row, BlockBase)]
    known = f"blocks of {architecture.name}, nearest first: {nearest(block.path, blocks)}" if blocks else (
        f"{architecture.name} has no blocks"
    )  # fmt: skip
    raise LeannetError(f"'{block.path}' is a layer, with nothing inside to draw; {known}")
