"""An example of each kind of row: from a published network where one has it, else with values that fit."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from leannet.errors import LeannetError
from leannet.rows import INPUT, BlockBase, RowBase, RowError, Shape, describe, find_kind, infer_shapes
from leannet.rows.text import describe_rows
from leannet.zoo.registry import FAMILIES, architecture

INPUT_SHAPE = Shape(32, 14, 14)  # what rows read that no network of the zoo has
GUESSES = {"integer": 32, "number": 0.2, "true": True, "name": INPUT}  # for required fields, by the type in words


@dataclass(frozen=True)
class Example:
    """A row as it stands in a network. source: "mobilenet_v2, row block_1"; empty where no network has such a row."""

    row: RowBase
    source: str
    in_shapes: tuple[Shape, ...]

    @property
    def json(self) -> dict[str, Any]:
        """The row as an architecture's JSON has it, but for its name and what it reads."""
        fields = self.row.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "name", "inputs", "shares"})
        inputs = {"inputs": ["row_1", "row_2"]} if len(self.in_shapes) > 1 else {}
        return {"kind": self.row.kind, "name": f"my_{self.row.kind}", **inputs, **fields}

    @property
    def inside(self) -> list[tuple[str, str, str, str]]:
        """The rows that a block expands to, as `leannet.rows.text.describe_rows` has them; of a layer none."""
        if not isinstance(self.row, BlockBase):
            return []
        rows = self.row.expand(*self.in_shapes)
        return describe_rows(rows, _shapes(rows, self.in_shapes))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        inside = [dict(zip(("name", "kind", "fields", "output"), line, strict=True)) for line in self.inside]
        return {
            "source": self.source,
            "in_shapes": [list(shape) for shape in self.in_shapes],
            "row": self.json,
            "json": json.dumps(self.json),
            "inside": inside,
        }


def example(kind: str) -> Example | None:
    """An example of a kind of row. Raises LeannetError for an unknown kind.

    None for a block from outside that the values tried do not fit.
    """
    row_class = find_kind(kind)
    for name in FAMILIES:
        network = architecture(name)
        rows = _rows_of(network.rows, [network.input.shape], name)
        if examples := [row for row in rows if type(row.row) is row_class]:
            return max(examples, key=lambda row: len(row.json))
    return _guess(row_class)


def _rows_of(rows: Sequence[RowBase], shapes: Sequence[Shape], network: str, prefix: str = "") -> Iterator[Example]:
    """Every row of a network with the shapes that it reads, those inside blocks too."""
    known = _shapes(rows, shapes) | {_input_name(number): shape for number, shape in enumerate(shapes)}
    above = INPUT
    for row in rows:
        in_shapes = tuple(known[name] for name in row.inputs or (above,))
        yield Example(row, f"{network}, row {prefix}{row.name}", in_shapes)
        if isinstance(row, BlockBase):
            yield from _rows_of(row.expand(*in_shapes), in_shapes, network, f"{prefix}{row.name}.")
        above = row.name


def _guess(row_class: type[RowBase]) -> Example | None:
    fields: dict[str, Any] = {"name": "example"}
    for field in describe(str(row_class.model_fields["kind"].default)).fields:
        if field.required and field.name != "name":
            word = field.type.split(",")[0].split(" ")[0]
            fields[field.name] = GUESSES.get(word, word)
    shapes = (INPUT_SHAPE,) * (row_class.arity or 2)
    try:
        row = row_class(**fields, inputs=[_input_name(number) for number in range(len(shapes))])
        _shapes([row], shapes)
    except (RowError, LeannetError, ValueError):
        return None
    return Example(row, "", shapes)


def _shapes(rows: Sequence[RowBase], shapes: Sequence[Shape]) -> dict[str, Shape]:
    inputs = [(_input_name(number), shape) for number, shape in enumerate(shapes)]
    return {name: shape for name, (_, shape) in infer_shapes(rows, inputs)[1].items()}


def _input_name(number: int) -> str:
    return INPUT if number == 0 else f"{INPUT}_{number + 1}"
