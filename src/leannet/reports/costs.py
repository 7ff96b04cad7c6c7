"""What each row costs: parameters, mult-adds and bytes from the rows, and time where it has been measured."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.cost import Count
from leannet.files import write_whole
from leannet.header import read_header
from leannet.reports.held import TIMES
from leannet.runtime.processor import Machine

SECONDS = 10.0  # of measuring, unless another number is asked for
MEASURES = {"params": "parameters", "macs": "mult-adds", "bytes_moved": "bytes moved", "ms": "measured time"}


@dataclass(frozen=True)
class RowCost:
    """One row of the table. ms: None where no time has been measured."""

    name: str
    what: str
    out: str
    params: int
    macs: int
    bytes_moved: int
    ms: float | None

    def __getitem__(self, measure: str) -> float:
        return getattr(self, measure) or 0


def costs_by_row(cost: Count, times: dict[str, Any] | None) -> list[RowCost]:
    """Each row of the table, in order. times: what `measure` has kept."""
    ms = {row["row"]: float(row["ms"]) for row in times["rows"]} if times else {}
    last = {layer.row: layer for layer in cost.layers}
    weighty: dict[str, list[str]] = {}
    every: dict[str, list[str]] = {}
    for layer in cost.layers:
        every.setdefault(layer.row, []).append(layer.type)
        if layer.weights:
            weighty.setdefault(layer.row, []).append(layer.type)
    return [
        RowCost(
            name=group.name,
            what=", ".join(dict.fromkeys(weighty.get(group.name) or every[group.name])),
            out=str(last[group.name].out_shape),
            params=group.params,
            macs=group.macs,
            bytes_moved=group.bytes_moved,
            ms=ms.get(group.name) if times else None,
        )
        for group in cost.by_row()
    ]


def measures(times: dict[str, Any] | None) -> dict[str, str]:
    """What there is of each row, and how it is called."""
    return {key: words for key, words in MEASURES.items() if key != "ms" or times}


def conditions(times: dict[str, Any]) -> str:
    """Under what the times were measured."""
    machine, threads = Machine(**times["machine"]), times["threads"]
    words = f"{times['engine']}, {times['precision']}, {threads} thread{'' if threads == 1 else 's'}"
    return f"{words}, batch {times['batch']}, {machine.line()}"


def measure(
    run: str | Path,
    engine: str = "onnxruntime",
    threads: int = 1,
    seconds: float = SECONDS,
    progress: Callable[[], object] | None = None,
) -> Path:
    """Measures the time of each row of a run's network and keeps it in the run, as latency.json.

    engine: a name of runtime.ENGINES. seconds: to measure for, all rows together. Nothing else should run meanwhile.
    Raises LeannetError for a run without weights, and for an engine that is not there.
    """
    from leannet.runtime.row_latency import measure_rows

    path = Path(run)
    times = measure_rows(read_header(path).architecture, engine, threads, seconds=seconds, progress=progress)
    target = (path if path.is_dir() else path.parent) / TIMES
    write_whole(target, (json.dumps(times.to_dict(), indent=1) + "\n").encode())
    return target
