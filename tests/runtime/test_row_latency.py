"""Times of rows: of each distinct one once, without the session and the rows around it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.rows import Architecture, Conv, Dropout
from leannet.runtime import Program
from leannet.runtime.engines import Floats
from leannet.runtime.memory import peak_memory
from leannet.runtime.precisions import program
from leannet.runtime.row_latency import measure_rows
from leannet.runtime.row_probes import ROW, row_key
from leannet.zoo import architecture


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
    assert sum(network.name == ROW for network in clock.prepared) == len(distinct) < len(table.rows)


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
