"""The time of each row: every distinct one alone in an engine, all in turns, less the time of an empty network.

Rows that are equal but for their names, on equal shapes, are timed once. `key` says what was timed, so that a table of
such times serves any network of the same rows on the same machine.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.rows import INPUT, LABELS, Activate, Architecture, Conv, Dropout, Shape
from leannet.rows.endpoints import Input
from leannet.rows.layers import RowBase
from leannet.runtime.engines import engine
from leannet.runtime.latency import Latency, measure
from leannet.runtime.precisions import program
from leannet.runtime.processor import Machine, machine

ALONE = "row"  # the name of a row that stands alone
WHOLE = "whole"


@dataclass(frozen=True)
class RowTime:
    """One row of the table. ms: its own, without the session around it."""

    row: str
    kind: str
    key: str
    in_shapes: tuple[Shape, ...]
    out_shape: Shape
    macs: int
    ms: float


@dataclass(frozen=True)
class RowTimes:
    """A network row by row, and the whole beside it."""

    name: str
    engine: str
    precision: str
    threads: int
    batch: int
    machine: Machine
    rows: tuple[RowTime, ...]
    whole: Latency
    empty_ms: float

    @property
    def sum_ms(self) -> float:
        """Of all rows and one empty session: the time of the whole, if no row were fused with another."""
        return sum(row.ms for row in self.rows) + self.empty_ms

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self) | {"sum_ms": self.sum_ms}


def row_key(row: RowBase, shapes: Sequence[Shape]) -> str:
    """What a row's time depends on: all of its fields but its labels, and the shapes it reads."""
    fields = row.model_dump(mode="json", exclude_defaults=True, exclude=set(LABELS))
    return json.dumps([row.kind, fields, [list(shape) for shape in shapes]], sort_keys=True)


def alone(row: RowBase, shapes: Sequence[Shape]) -> tuple[Architecture, Architecture]:
    """An architecture of one row, and the same without it, whose time is to be subtracted.

    A row of several inputs gets the others by 1x1 convolutions of the largest. Raises LeannetError where that cannot
    give their shapes.
    """
    largest = max(shapes, key=lambda shape: shape.height * shape.width)
    input_ = Input(channels=largest.channels, height=largest.height, width=largest.width)
    names: dict[Shape, str] = {largest: INPUT}
    helpers: list[RowBase] = []
    for shape in shapes:
        if shape not in names:
            stride = -(-input_.height // shape.height)
            names[shape] = f"helper_{len(names)}"
            helpers.append(
                Conv(name=names[shape], inputs=(INPUT,), out_channels=shape.channels, stride=stride, padding="same")
            )
    inputs = tuple(names[shape] for shape in shapes)
    renamed = row.model_copy(update={"name": ALONE, "inputs": inputs, "shares": None})
    architecture = Architecture(name=ALONE, input=input_, rows=(*helpers, renamed))
    if any(architecture.shapes[name] != shape for shape, name in names.items() if name != INPUT):
        raise LeannetError(f"row '{row.name}': its inputs of {list(shapes)} cannot be made from one, to time it alone")
    nothing = Activate(name="nothing", inputs=(INPUT,), activation="linear")
    outputs = tuple(name for name in names.values() if name != INPUT)
    empty = Architecture(name="empty", input=input_, rows=(*helpers, nothing), outputs=(*outputs, "nothing"))
    return architecture, empty


def measure_rows(
    architecture: Architecture,
    engine_name: str = "onnxruntime",
    threads: int = 1,
    precision: str = "float32",
    batch: int = 1,
    seconds: float = 20,
    progress: Callable[[], object] | None = None,
) -> RowTimes:
    """The time of each row of a network.

    Raises LeannetError for an engine that is not there, and for a row that cannot stand alone.
    """
    chosen_engine = engine(engine_name)
    keys: dict[str, str] = {}
    candidates: dict[str, Callable[[], object]] = {}
    empties: dict[str, str] = {}  # key -> the empty network that it is compared with
    bare: set[str] = set()  # those without helpers

    def add(name: str, candidate: Architecture) -> None:
        if name not in candidates:
            run = chosen_engine.prepare(program(candidate, precision, engine_name), threads)
            x = np.random.default_rng(0).normal(size=(batch, *candidate.input.shape)).astype(np.float32)
            candidates[name] = partial(run, x)

    add(WHOLE, architecture)
    for node in architecture.graph.nodes:
        keys[node.path] = key = row_key(node.row, node.in_shapes)
        if key in empties or isinstance(node.row, Dropout):
            continue
        row_alone, empty = alone(node.row, node.in_shapes)
        empties[key] = f"empty {empty.to_json()}"
        add(key, row_alone)
        add(empties[key], empty)
        if len(empty.rows) == 1:
            bare.add(empties[key])
    times = measure(candidates, seconds, between=progress, threads=threads)
    macs = {group.name: group.macs for group in count(architecture).by_row()}
    rows = []
    for node in architecture.graph.nodes:
        key, ms = keys[node.path], 0.0
        if key in empties:
            ms = max(times[key].median_ms - times[empties[key]].median_ms, 0.0)
        row_macs = macs.get(node.path, 0)
        rows.append(RowTime(node.path, str(node.row.kind), key, node.in_shapes, node.out_shape, row_macs, ms))
    return RowTimes(
        name=architecture.name,
        engine=chosen_engine.version(),
        precision=precision,
        threads=threads,
        batch=batch,
        machine=machine(),
        rows=tuple(rows),
        whole=times[WHOLE],
        empty_ms=float(np.median([times[name].median_ms for name in bare])),
    )
