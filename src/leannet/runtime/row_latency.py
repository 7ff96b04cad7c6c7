"""The time of each row: every distinct one between two cheap ones in an engine, all in turns (`row_probes`).

Rows that are equal but for their names, on equal shapes, are timed once; `key` says what was timed.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from leannet.cost import count
from leannet.rows import INPUT, Architecture, Shape
from leannet.runtime.engines import engine
from leannet.runtime.latency import Latency, differences, measure
from leannet.runtime.precisions import program
from leannet.runtime.processor import Machine, machine
from leannet.runtime.row_probes import Probes, nothing, row_key

WHOLE, EMPTY = "whole", "empty"


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

    Raises LeannetError for an engine that is not there, and for a row whose inputs cannot be made from one.
    """
    chosen_engine, probes = engine(engine_name), Probes()
    probes.add(architecture.graph.nodes)
    empty = Architecture(name=EMPTY, input=architecture.input, rows=(nothing(INPUT),))

    def prepare(network: Architecture) -> Callable[[], object]:
        run = chosen_engine.prepare(program(network, precision, engine_name), threads)
        return partial(run, np.random.default_rng(0).normal(size=(batch, *network.input.shape)).astype(np.float32))

    networks = {WHOLE: architecture, EMPTY: empty} | probes.networks
    candidates = {name: prepare(network) for name, network in networks.items()}
    times = measure(candidates, seconds, between=progress, threads=threads)
    of_rows = differences(probes.rows, {name: each.median_ms for name, each in times.items()})
    macs = {group.name: group.macs for group in count(architecture).by_row()}
    rows = []
    for node in architecture.graph.nodes:
        key = row_key(node.row, node.in_shapes)
        row_macs, ms = macs.get(node.path, 0), of_rows.get(key, 0.0)  # a dropout is no layer by then
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
        empty_ms=times[EMPTY].median_ms,
    )
