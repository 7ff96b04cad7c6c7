"""Networks that tell the time of one row, as it is inside a network.

A row alone would pay for what a network pays once: engines bring an image into a layout of their own, and the answer
back. So a row stands between two depthwise convolutions of 1x1, which cost little and keep that layout, and what is
subtracted are two of those alone: half of each pair on the row's input, and half on its output.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from leannet.errors import LeannetError
from leannet.rows import INPUT, LABELS, Activate, Architecture, Conv, Depthwise, Dropout, Node, Shape
from leannet.rows.endpoints import Input
from leannet.rows.layers import RowBase

ROW, BEFORE, AFTER = "row", "before", "after"


def row_key(row: RowBase, shapes: Sequence[Shape]) -> str:
    """What a row's time depends on: all of its fields but its labels, and the shapes it reads."""
    fields = row.model_dump(mode="json", exclude_defaults=True, exclude=set(LABELS))
    return json.dumps([row.kind, fields, [list(shape) for shape in shapes]], sort_keys=True)


@dataclass
class Probes:
    """Networks to time, by name, and of each row what its time is: so many times that of each network
    (`latency.differences`)."""

    networks: dict[str, Architecture] = field(default_factory=dict)
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def add(self, nodes: Iterable[Node]) -> None:
        """What tells the time of the rows of these nodes; each distinct one once."""
        for node in nodes:
            key = row_key(node.row, node.in_shapes)
            if key in self.rows or isinstance(node.row, Dropout):
                continue
            shares: dict[str, float] = {}
            for network, share in probes(node.row, node.in_shapes, node.out_shape):
                name = self._name(network)
                shares[name] = shares.get(name, 0.0) + share
            self.rows[key] = {name: share for name, share in shares.items() if share}

    def _name(self, network: Architecture) -> str:
        text = network.to_json()
        if text not in self._names:
            self._names[text] = name = f"probe_{len(self._names) + 1}"
            self.networks[name] = network
        return self._names[text]


def probes(row: RowBase, shapes: Sequence[Shape], made: Shape) -> tuple[tuple[Architecture, float], ...]:
    """Networks whose times, so many times each, are that of a row.

    First the row between two cheap ones; then those two without it, both on its input; then two such on the input, and
    two on the output, half of whose difference is what the cheap one behind it takes less or more. A row of several
    inputs gets the others by 1x1 convolutions of the largest. made: the shape of its output. Raises LeannetError where
    those cannot give their shapes.
    """
    largest = max(shapes, key=lambda shape: shape.height * shape.width)
    rows = list(_cheap(BEFORE, INPUT, largest))
    names = {largest: rows[0].name if rows else INPUT}
    source = names[largest]
    helpers: list[RowBase] = []
    for shape in shapes:
        if shape not in names:
            names[shape] = f"helper_{len(names)}"
            stride = -(-largest.height // shape.height)
            helpers.append(
                Conv(name=names[shape], inputs=(source,), out_channels=shape.channels, stride=stride, padding="same")
            )
    inputs = tuple(names[shape] for shape in shapes)
    renamed = row.model_copy(update={"name": ROW, "inputs": inputs, "shares": None})
    input_ = Input(channels=largest.channels, height=largest.height, width=largest.width)
    between = Architecture(name=ROW, input=input_, rows=(*rows, *helpers, renamed, *_cheap(AFTER, ROW, made)))
    if any(between.shapes[name] != shape for shape, name in names.items() if name != INPUT):
        raise LeannetError(f"row '{row.name}': its inputs of {list(shapes)} cannot be made from one, to time it")
    outputs = tuple(helper.name for helper in helpers)
    behind = _cheap(AFTER, source, largest) or (nothing(source),)
    of_input = Architecture(
        name=BEFORE,
        input=input_,
        rows=(*rows, *helpers, *behind),
        outputs=(*outputs, behind[0].name) if outputs else (),
    )
    return (between, 1.0), (of_input, -1.0), (_pair(largest), 0.5), (_pair(made), -0.5)


def _pair(shape: Shape) -> Architecture:
    """Two cheap rows alone on a map of this shape; on a vector nothing."""
    rows = (*_cheap(BEFORE, INPUT, shape), *_cheap(AFTER, BEFORE, shape)) or (nothing(INPUT),)
    input_ = Input(channels=shape.channels, height=shape.height, width=shape.width)
    return Architecture(name=BEFORE, input=input_, rows=rows)


def _cheap(name: str, source: str, shape: Shape) -> tuple[RowBase, ...]:
    """A depthwise convolution of 1x1; none behind a vector, of which there is only one layout."""
    return (Depthwise(name=name, inputs=(source,), kernel=1),) if shape.height * shape.width > 1 else ()


def nothing(source: str) -> RowBase:
    """A row that does nothing, for a network of none."""
    return Activate(name="nothing", inputs=(source,), activation="linear")
