"""Rows that are timed alone: the same rows on the same shapes, each distinct one once, without the session around."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.rows import INPUT, Add, Architecture, Conv, Dropout, Input, Pool, Upsample
from leannet.runtime import Program
from leannet.runtime.engines import Floats
from leannet.runtime.memory import peak_memory
from leannet.runtime.precisions import program
from leannet.runtime.row_latency import ALONE, alone, measure_rows, row_key
from leannet.zoo import FAMILIES, architecture

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))


@pytest.mark.parametrize("name", DEBUG)
def test_a_row_alone_is_the_row(name: str) -> None:
    """Its shapes, parameters and mult-adds are those it has in the network, helpers taken off."""
    table = architecture(name)
    shapes, reads = {INPUT: table.input.shape, **table.shapes}, table.reads()
    groups = {group.name: group for group in count(table).by_row()}
    for row in table.rows:
        row_network, helpers = alone(row, [shapes[read] for read in reads[row.name]])
        assert row_network.shapes[ALONE] == shapes[row.name]
        if row.name in groups:
            group = next(g for g in count(row_network).by_row() if g.name == ALONE)
            assert row.shares or group.params == groups[row.name].params  # of what it shares it has its own
            assert group.macs == groups[row.name].macs
        assert count(row_network).macs - count(helpers).macs == (groups[row.name].macs if row.name in groups else 0)


def test_inputs_of_several_shapes() -> None:
    rows = (
        Conv(name="a", out_channels=4, kernel=3),
        Pool(name="b", op="max", kernel=2, stride=2),
        Conv(name="c", out_channels=6, stride=2, inputs=("b",)),
        Upsample(name="up", factor=4),
        Conv(name="d", out_channels=4),
        Add(name="sum", inputs=("d", "a")),
    )
    table = Architecture(name="x", input=Input(height=16, width=16), rows=rows)
    shapes = {INPUT: table.input.shape, **table.shapes}
    for row in table.rows:
        read = [shapes[name] for name in table.reads()[row.name]]
        assert alone(row, read)[0].shapes[ALONE] == shapes[row.name]


def test_a_key_is_what_a_time_depends_on() -> None:
    shape = architecture("mobilenet_v2").input.shape
    one = Conv(name="a", out_channels=8, kernel=3)
    assert row_key(one, [shape]) == row_key(one.model_copy(update={"name": "b", "inputs": ("z",)}), [shape])
    assert row_key(one, [shape]) != row_key(Conv(name="a", out_channels=9, kernel=3), [shape])
    assert row_key(one, [shape]) != row_key(one, [shape._replace(height=100)])


@dataclass
class Clockwork:
    """An engine whose networks take a second a session and a nanosecond a mult-add, on a clock of its own."""

    now: float = 0.0
    prepared: list[Architecture] = field(default_factory=list)

    def version(self) -> str:
        return "clockwork 1"

    def prepare(self, what: Program, threads: int) -> Callable[[Floats], list[Floats]]:
        self.prepared.append(what.architecture)
        seconds = 1 + 1e-9 * count(what.architecture).macs

        def run(x: Floats) -> list[Floats]:
            assert x.shape[1:] == tuple(what.architecture.input.shape)
            self.now += seconds
            return []

        return run


@pytest.mark.parametrize("name", ["mobilenet_v2", "nasnet_debug"])
def test_times_are_net_and_add_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clockwork()
    monkeypatch.setattr("leannet.runtime.row_latency.engine", lambda _: clock)
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    table = architecture(name)
    row_times = measure_rows(table, seconds=1)
    for row in row_times.rows:
        assert row.ms == pytest.approx(1e-6 * row.macs, abs=1e-6)
    assert row_times.sum_ms == pytest.approx(row_times.whole.median_ms)
    distinct = {row.key for row, own in zip(row_times.rows, table.rows, strict=True) if not isinstance(own, Dropout)}
    assert sum(network.name == ALONE for network in clock.prepared) == len(distinct) < len(table.rows)


@pytest.mark.parametrize(("engine", "precision"), [("onnxruntime", "int8"), ("openvino", "float32")])
def test_real_engines(engine: str, precision: str) -> None:
    row_times = measure_rows(architecture("mobilenet_v3_debug"), engine, precision=precision, seconds=0.1)
    assert [row.row for row in row_times.rows] == list(architecture("mobilenet_v3_debug").shapes)
    assert row_times.whole.median_ms > 0
    assert row_times.to_dict()["precision"] == precision


def test_programs_that_do_not_exist() -> None:
    with pytest.raises(LeannetError, match="expected one of float32, bfloat16, int8"):
        program(architecture("mobilenet_v2_debug"), "int4")
    with pytest.raises(LeannetError, match=re.escape("int8 in torch")):
        program(architecture("mobilenet_v2_debug"), "int8", "torch")


def test_memory_is_at_least_that_of_the_weights() -> None:
    """A layer of 48 MB, against the same without it."""
    table = Architecture.from_dict(
        {
            "name": "wide",
            "input": {"channels": 3, "height": 2, "width": 2},
            "rows": [
                {"kind": "conv", "name": "a", "out_channels": 3000},
                {"kind": "conv", "name": "b", "out_channels": 4000},
                {"kind": "conv", "name": "c", "out_channels": 2},
            ],
        }
    )
    large = peak_memory(Program(table), "onnxruntime")
    small = peak_memory(Program(table.edit("b", out_channels=4)), "onnxruntime")
    if large is None or small is None:
        pytest.skip("the system does not say")
    assert large - small > 0.9 * np.prod((3000, 4000)) * 4
    assert peak_memory(Program(table), "torch") is None
