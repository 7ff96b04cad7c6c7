"""Shape inference: blocks expanded, every layer given its shapes, every name and shared weight checked."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from traceback import extract_tb

from pydantic import ValidationError

from leannet.errors import LeannetError, nearest
from leannet.rows.blocks import BlockBase
from leannet.rows.error_lines import first_error, numbered
from leannet.rows.fields import INPUT, RowError, Shape
from leannet.rows.layers import LayerBase, Linear, RowBase

LABELS = {"name", "inputs", "shares"}  # the fields that say where a row stands, not what it is


@dataclass(frozen=True)
class Placed:
    """A layer in its network: what it reads, and its shapes."""

    path: str  # "block_1.expand": the blocks around it, then its own name
    layer: LayerBase
    inputs: tuple[str, ...]  # paths of layers, or "input"
    in_shapes: tuple[Shape, ...]
    out_shape: Shape
    shares: str | None  # the path of the layer whose weights it uses

    @property
    def row(self) -> str:
        """The row of the architecture that this layer belongs to."""
        return self.path.split(".")[0]


class ShapeErrors(LeannetError):
    """Rows that do not fit together: an error for each row whose inputs are known."""

    def __init__(self, lines: Sequence[str]):
        super().__init__(numbered(lines))
        self.lines = tuple(lines)


Outputs = dict[str, tuple[str, Shape]]  # name of a row -> path of the layer that makes its output, and its shape


def infer_shapes(
    rows: Sequence[RowBase], inputs: Sequence[tuple[str, Shape]], prefix: str = "", owner: str | None = None
) -> tuple[list[Placed], Outputs]:
    """Expands every block and gives every layer its shapes.

    inputs: path and shape of what the rows read. owner: the prefix of the block whose weights these rows use.
    Returns the layers in order, and the output of each row.
    Raises ShapeErrors, a LeannetError: rows and fields that are impossible, but for those that follow from another.
    """
    layers: list[Placed] = []
    outputs: Outputs = {INPUT if i == 0 else f"{INPUT}_{i + 1}": value for i, value in enumerate(inputs)}
    by_name: dict[str, RowBase] = {}
    in_shapes: dict[str, tuple[Shape, ...]] = {}
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
            if len(names) < 2 if row.arity is None else len(names) != row.arity:
                raise RowError("inputs", f"expected {row.arity or 'two or more'}, found {len(names)}")
            if broken.intersection(names):
                broken.add(row.name)
                continue
            paths, shapes = zip(*(outputs[name] for name in names), strict=True)
            if row.shares is not None and row.shares in broken:
                broken.add(row.name)
                continue
            if row.shares is not None:
                _check_sharing(row, shapes, by_name, in_shapes)
            shared = owner + row.name if owner is not None else prefix + row.shares if row.shares else None
            path = prefix + row.name
            if isinstance(row, BlockBase):
                inner = list(zip(paths, shapes, strict=True))
                expanded, inner_outputs = infer_shapes(
                    _expand(row, shapes), inner, path + ".", shared + "." if shared else None
                )
                layers += expanded
                if not inner_outputs:
                    raise RowError("kind", f"'{row.kind}' expands to no rows here")
                outputs[row.name] = list(inner_outputs.values())[-1]
            else:
                assert isinstance(row, LayerBase)
                shape = row.out_shape(*shapes)
                layers.append(Placed(path, row, paths, shapes, shape, shared))
                outputs[row.name] = (path, shape)
            by_name[row.name], in_shapes[row.name] = row, shapes
        except RowError as error:
            where = f"row '{prefix}{row.name}'" + ("" if prefix else f" ({number} of {len(rows)})")
            errors.append(f"{where}, field '{error.field}': {error}")
            broken.add(row.name)
        except ShapeErrors as error:
            errors += error.lines
            broken.add(row.name)
    if errors:
        raise ShapeErrors(errors)
    return layers, {name: outputs[name] for name in by_name}


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


def _check_sharing(
    row: RowBase, shapes: Sequence[Shape], by_name: Mapping[str, RowBase], in_shapes: Mapping[str, Sequence[Shape]]
) -> None:
    """Raises RowError where the row cannot use the weights of the row that it names."""
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
    owner_shapes = in_shapes[owner.name]
    same = list(shapes) == list(owner_shapes) if isinstance(row, Linear) else True
    if not same or [shape.channels for shape in shapes] != [shape.channels for shape in owner_shapes]:
        raise RowError("shares", f"'{owner.name}' reads other widths than this row")
