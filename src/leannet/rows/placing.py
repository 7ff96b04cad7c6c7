"""Placing: every block of a table opened, every layer given its shapes, every name and shared weight checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leannet.errors import LeannetError, nearest
from leannet.rows.blocks import BlockBase
from leannet.rows.fields import INPUT, RowError, Shape
from leannet.rows.layers import LayerBase, Linear, RowBase

LABELS = {"name", "inputs", "shares"}  # the fields that say where a row stands, not what it is


@dataclass(frozen=True)
class Placed:
    """A layer where it stands: what it reads and makes, with the blocks around it opened."""

    path: str  # "block_1.expand": the rows it is inside of, then its own name
    layer: LayerBase
    inputs: tuple[str, ...]  # paths of layers, or "input"
    in_shapes: tuple[Shape, ...]
    out_shape: Shape
    shares: str | None  # the path of the layer whose weights it uses

    @property
    def row(self) -> str:
        """The row of the table that this layer belongs to."""
        return self.path.split(".")[0]


def place(
    rows: Sequence[RowBase], given: Sequence[tuple[str, Shape]], prefix: str = "", owner: str | None = None
) -> tuple[list[Placed], dict[str, tuple[str, Shape]]]:
    """Opens every block of a table and gives every layer its shapes.

    given: (path, shape) of the table's inputs. owner: the prefix of the block whose weights these rows use.
    Returns the layers in order, and for each row the path of the layer that makes its output, with its shape.
    Raises LeannetError naming the row and the field where one cannot be.
    """
    layers: list[Placed] = []
    known = {INPUT if i == 0 else f"{INPUT}_{i + 1}": value for i, value in enumerate(given)}
    by_name: dict[str, RowBase] = {}
    reads: dict[str, tuple[Shape, ...]] = {}
    above = INPUT
    for number, row in enumerate(rows, start=1):
        try:
            if row.name in known:
                raise RowError("name", "another row or input has this name")
            names = row.inputs or (above,)
            for name in names:
                if name not in known:
                    raise RowError("inputs", f"no row above is named '{name}'; nearest: {nearest(name, known)}")
            if len(names) < 2 if row.arity is None else len(names) != row.arity:
                raise RowError("inputs", f"expected {row.arity or 'two or more'}, found {len(names)}")
            paths, shapes = zip(*(known[name] for name in names), strict=True)
            if row.shares is not None:
                _check_sharing(row, shapes, by_name, reads)
            shared = owner + row.name if owner is not None else prefix + row.shares if row.shares else None
            path = prefix + row.name
            if isinstance(row, BlockBase):
                inner = list(zip(paths, shapes, strict=True))
                inside, outputs = place(row.inside(*shapes), inner, path + ".", shared + "." if shared else None)
                layers += inside
                known[row.name] = list(outputs.values())[-1]
            else:
                assert isinstance(row, LayerBase)
                out = row.out_shape(*shapes)
                layers.append(Placed(path, row, paths, shapes, out, shared))
                known[row.name] = (path, out)
        except RowError as error:
            where = f"row '{prefix}{row.name}'" + ("" if prefix else f" ({number} of {len(rows)})")
            raise LeannetError(f"{where}, field '{error.field}': {error}") from None
        by_name[row.name], reads[row.name] = row, shapes
        above = row.name
    return layers, {name: known[name] for name in by_name}


def _check_sharing(
    row: RowBase, shapes: Sequence[Shape], by_name: Mapping[str, RowBase], reads: Mapping[str, Sequence[Shape]]
) -> None:
    assert row.shares is not None
    owner = by_name.get(row.shares)
    if owner is None:
        raise RowError("shares", f"no row above is named '{row.shares}'; nearest: {nearest(row.shares, by_name)}")
    if owner.shares is not None:
        raise RowError("shares", f"'{row.shares}' itself uses the weights of '{owner.shares}': name that one")
    mine, theirs = row.model_dump(exclude=LABELS), owner.model_dump(exclude=LABELS)
    for field, value in mine.items():
        if theirs.get(field) != value:
            raise RowError("shares", f"'{owner.name}' has {field} {theirs.get(field)}, this row has {value}")
    theirs_read = reads[owner.name]
    same = list(shapes) == list(theirs_read) if isinstance(row, Linear) else True
    if not same or [s.channels for s in shapes] != [s.channels for s in theirs_read]:
        raise RowError("shares", f"'{owner.name}' reads other widths than this row")
