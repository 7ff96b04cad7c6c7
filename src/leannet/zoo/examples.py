"""An example of each kind of row: from a published network where one has it, else with values that fit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leannet.errors import LeannetError
from leannet.rows import (
    INPUT,
    BlockBase,
    Node,
    RowBase,
    RowError,
    Shape,
    describe,
    find_kind,
    input_name,
    resolve,
)
from leannet.rows.text import describe_rows
from leannet.zoo.registry import FAMILIES, architecture

INPUT_SHAPE = Shape(32, 14, 14)  # what rows read that no network of the zoo has
# For required fields, by the type in words.
GUESSES: dict[str, Any] = {"integer": 32, "number": 0.2, "true": True, "name": INPUT, "list": (8,)}


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
        names = [f"row_{number}" for number, _ in enumerate(self.in_shapes, start=1)]
        inputs = {"inputs": names} if len(names) > 1 else {}
        return {"kind": self.row.kind, "name": f"my_{self.row.kind}", **inputs, **fields}

    @property
    def inside(self) -> list[tuple[str, str, str, str]]:
        """The rows that a block expands to, as `leannet.rows.text.describe_rows` has them; of a layer none."""
        if not isinstance(self.row, BlockBase):
            return []
        (node,) = _resolved(self.row, self.in_shapes)
        return describe_rows(
            [each.row for each in node.inside], {each.row.name: each.out_shape for each in node.inside}
        )

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
        nodes = [node for node in network.graph.by_path.values() if type(node.row) is row_class]
        if examples := [Example(node.row, f"{name}, row {node.path}", node.in_shapes) for node in nodes]:
            return max(examples, key=lambda row: len(row.json))
    return _guess(row_class)


def _guess(row_class: type[RowBase]) -> Example | None:
    fields: dict[str, Any] = {"name": "example"}
    for field in describe(str(row_class.model_fields["kind"].default)).fields:
        if field.required and field.name != "name":
            word = field.type.split(",")[0].split(" ")[0]
            fields[field.name] = GUESSES.get(word, word)
    least = row_class.arity[0] if isinstance(row_class.arity, tuple) else row_class.arity or 2
    vector, sides = Shape(INPUT_SHAPE.channels, 1, 1), INPUT_SHAPE._replace(channels=4)
    # Maps; for kinds that read none vectors, and for those that find boxes what they are found in.
    for shapes in ((INPUT_SHAPE,) * least, (vector,) * least, (INPUT_SHAPE, sides)):
        try:
            row = row_class(**fields)
            _resolved(row, shapes)
        except (RowError, LeannetError, ValueError):
            continue
        return Example(row, "", shapes)
    return None


def _resolved(row: RowBase, shapes: Sequence[Shape]) -> tuple[Node, ...]:
    """A row that reads inputs of these shapes."""
    inputs = [(input_name(number), shape) for number, shape in enumerate(shapes)]
    return resolve([row.model_copy(update={"inputs": tuple(name for name, _ in inputs), "shares": None})], inputs)
