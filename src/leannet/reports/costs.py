"""What each row costs, and each layer inside it: parameters, mult-adds and bytes, and a row's time where measured."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leannet.cost import Count, LayerCount
from leannet.files import write_whole
from leannet.header import read_header
from leannet.run_files import TIMES
from leannet.runtime.processor import Machine
from leannet.style import COLORS

SECONDS = 10.0  # of measuring, unless another number is asked for
MEASURES = {"params": "parameters", "macs": "mult-adds", "bytes_moved": "bytes moved", "ms": "measured time"}
GROUPS = {  # of layers that the bars tell apart -> their color
    "1x1 convolution": COLORS[0],
    "depthwise": COLORS[1],
    "convolution": COLORS[2],
    "squeeze and excitation": COLORS[3],
    "fully connected": COLORS[4],
    "no weights": COLORS[5],
}
SQUEEZE_EXCITE = "squeeze_excite"  # as blocks call it in the paths of its layers


@dataclass(frozen=True)
class LayerCost:
    """One layer of a row. kind: its type, and what it does in its block; group: one of GROUPS."""

    path: str
    kind: str
    group: str
    out: str
    params: int
    macs: int
    bytes_moved: int

    def __getitem__(self, measure: str) -> float:
        return getattr(self, measure, 0)


@dataclass(frozen=True)
class RowCost:
    """One row of the architecture. ms: None where no time has been measured."""

    name: str
    layers: tuple[LayerCost, ...]
    out: str
    params: int
    macs: int
    bytes_moved: int
    ms: float | None

    def __getitem__(self, measure: str) -> float:
        return getattr(self, measure) or 0

    @property
    def inside(self) -> str:
        """The kinds of its layers; of a block with the share of its mult-adds that each takes."""
        counted = [layer for layer in self.layers if layer.macs] or list(self.layers)
        if len(counted) == 1 or not self.macs:
            return ", ".join(dict.fromkeys(layer.kind for layer in counted))
        shares: dict[str, int] = {}
        for layer in counted:
            shares[layer.kind] = shares.get(layer.kind, 0) + layer.macs
        return "; ".join(f"{kind} {_share(macs / self.macs)}" for kind, macs in shares.items())


@dataclass(frozen=True)
class KindCost:
    """All layers of one kind together."""

    kind: str
    group: str
    layers: int
    params: int
    macs: int
    bytes_moved: int

    def __getitem__(self, measure: str) -> float:
        return getattr(self, measure, 0)


def costs_by_row(cost: Count, times: dict[str, Any] | None) -> list[RowCost]:
    """Each row of the architecture, in order. times: what `measure` has stored."""
    ms = {row["row"]: float(row["ms"]) for row in times["rows"]} if times else {}
    layers: dict[str, list[LayerCount]] = {}
    for layer in cost.layers:
        layers.setdefault(layer.row, []).append(layer)
    return [
        RowCost(
            name=group.name,
            layers=tuple(_layer_cost(layer) for layer in layers[group.name]),
            out=str(layers[group.name][-1].out_shape),
            params=group.params,
            macs=group.macs,
            bytes_moved=group.bytes_moved,
            ms=ms.get(group.name) if times else None,
        )
        for group in cost.by_row()
    ]


def costs_by_kind(rows: Iterable[RowCost]) -> list[KindCost]:
    """The layers that have mult-adds, by kind, the most mult-adds first (MobileNets, arXiv 1704.04861, Table 2)."""
    layers: dict[tuple[str, str], list[LayerCost]] = {}
    for layer in (layer for row in rows for layer in row.layers if layer.macs):
        layers.setdefault((layer.kind, layer.group), []).append(layer)
    kinds = [
        KindCost(
            kind,
            group,
            len(alike),
            sum(layer.params for layer in alike),
            sum(layer.macs for layer in alike),
            sum(layer.bytes_moved for layer in alike),
        )
        for (kind, group), alike in layers.items()
    ]
    return sorted(kinds, key=lambda kind: -kind.macs)


def pointwise_words(cost: Count) -> str:
    """The share of all 1x1 convolutions together, as Table 2 of MobileNets gives it; empty where there are none.

    Of the weights alone, without normalization, as there.
    """
    total, types = cost.total, cost.by_type()
    macs = sum(group.macs for group in types if group.name.startswith("conv 1x1"))
    weights = sum(group.weights for group in types if group.name.startswith("conv 1x1"))
    if not macs:
        return ""
    return (
        f"1x1 convolutions together take {100 * macs / total.macs:.1f} % of the mult-adds and have "
        f"{100 * weights / max(total.weights, 1):.1f} % of the weights."
    )


def _layer_cost(layer: LayerCount) -> LayerCost:
    inside = layer.path[len(layer.row) + 1 :] if layer.path != layer.row else ""
    return LayerCost(
        path=layer.path,
        kind=_kind(layer.type, inside),
        group=_group(layer, inside),
        out=str(layer.out_shape),
        params=layer.params,
        macs=layer.macs,
        bytes_moved=layer.bytes_moved,
    )


def _kind(layer_type: str, inside: str) -> str:
    """A layer's type and its part in the block: `conv 1x1 project`. inside: its path within its row."""
    if SQUEEZE_EXCITE in inside.split("."):
        return f"{layer_type} squeeze-excite"
    part = re.sub(r"_\d+$", "", inside.rpartition(".")[2])
    word = layer_type.split()[0]
    return layer_type if word in part or not part else f"{layer_type} {part}"


def _group(layer: LayerCount, inside: str) -> str:
    if not layer.macs:
        return "no weights"
    if SQUEEZE_EXCITE in inside.split("."):
        return "squeeze and excitation"
    if layer.type.startswith("conv 1x1"):
        return "1x1 convolution"
    return next((group for group in ("depthwise", "fully connected") if layer.type.startswith(group)), "convolution")


def _share(share: float) -> str:
    return "<1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def measures(times: dict[str, Any] | None) -> dict[str, str]:
    """The measures there are of each row, with their names."""
    return {key: words for key, words in MEASURES.items() if key != "ms" or times}


def conditions(times: dict[str, Any]) -> str:
    """What the times were measured with and on."""
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
    """Measures the time of each row of a run's network, stores it in the run and returns the path of latency.json.

    engine: a name of runtime.ENGINES. seconds: to measure for, all rows together. Nothing else should run meanwhile.
    Raises LeannetError for a run without weights, and for an engine that is not installed.
    """
    from leannet.runtime.row_latency import measure_rows

    path = Path(run)
    times = measure_rows(read_header(path).architecture, engine, threads, seconds=seconds, progress=progress)
    target = (path if path.is_dir() else path.parent) / TIMES
    write_whole(target, (json.dumps(times.to_dict(), indent=1) + "\n").encode())
    return target
