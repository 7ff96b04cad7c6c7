"""What is inside a row, found by its path, with every shape."""

from collections.abc import Sequence
from dataclasses import dataclass

from leannet.errors import LeannetError, nearest
from leannet.rows import INPUT, Architecture, BlockBase, RowBase, Shape, Slice, infer_shapes


@dataclass(frozen=True)
class Opened:
    """A row inside a block, or the block itself: where it stands, what it reads and makes."""

    row: RowBase
    path: str  # "block_4.squeeze_excite"
    reads: tuple[str, ...]  # names of the rows beside it
    in_shapes: tuple[Shape, ...]
    out: Shape

    @property
    def resizes(self) -> bool:
        """Whether it makes an image of another size than it reads."""
        return self.out[1:] != self.in_shapes[0][1:]


def find(architecture: Architecture, path: str) -> Opened:
    """The block of that path. Raises LeannetError where there is none, or where it has nothing inside."""
    first, *rest = path.split(".")
    row = architecture.row(first)
    shapes = {INPUT: architecture.input.shape, **architecture.shapes}
    reads = architecture.reads()[first]
    found = Opened(row, first, reads, tuple(shapes[name] for name in reads), shapes[first])
    for name in rest:
        inside = {each.row.name: each for each in inside_of(found, architecture)}
        if name not in inside:
            raise LeannetError(f"'{found.path}' has no '{name}' inside; nearest: {nearest(name, inside)}")
        found = inside[name]
    _block(found, architecture)
    return found


def inside_of(block: Opened, architecture: Architecture) -> list[Opened]:
    """The rows inside a block. Raises LeannetError where it is not a block."""
    given = [(input_name(number), shape) for number, shape in enumerate(block.in_shapes)]
    rows = _block(block, architecture).expand(*block.in_shapes)
    _, made = infer_shapes(rows, given)
    shapes = dict(given) | {name: shape for name, (_, shape) in made.items()}
    found, above = [], INPUT
    for row in rows:
        reads = row.inputs or (above,)
        in_shapes = tuple(shapes[name] for name in reads)
        found.append(Opened(row, f"{block.path}.{row.name}", reads, in_shapes, shapes[row.name]))
        above = row.name
    return found


def input_name(number: int) -> str:
    """What the rows inside a block call its inputs: "input", "input_2"."""
    return INPUT if number == 0 else f"{INPUT}_{number + 1}"


def splits(rows: Sequence[Opened]) -> dict[str, list[Opened]]:
    """For each slice that is one of those that part all channels of one row: all of them, in order."""
    found: dict[str, list[Opened]] = {}
    for source in dict.fromkeys(each.reads[0] for each in rows):
        parts = [(each.row.start, each) for each in rows if isinstance(each.row, Slice) and each.reads[0] == source]
        parts.sort(key=lambda part: part[0])
        ends = [0]
        for start, each in parts:
            if start == ends[-1]:
                ends.append(start + each.out.channels)
        if len(parts) > 1 and len(ends) == len(parts) + 1 and ends[-1] == parts[0][1].in_shapes[0].channels:
            whole = [each for _, each in parts]
            found |= {each.row.name: whole for each in whole}
    return found


def _block(found: Opened, architecture: Architecture) -> BlockBase:
    if isinstance(found.row, BlockBase):
        return found.row
    blocks = [row.name for row in architecture.rows if isinstance(row, BlockBase)]
    known = f"blocks of {architecture.name}, nearest first: {nearest(found.path, blocks)}" if blocks else (
        f"{architecture.name} has no blocks"
    )  # fmt: skip
    raise LeannetError(f"'{found.path}' is a layer, with nothing inside to draw; {known}")
