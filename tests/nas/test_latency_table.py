"""Latency tables: the sum of rows and one overhead, on a machine whose clock is known and on this one."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from leannet.cost import count
from leannet.errors import LeannetError
from leannet.nas.emitting import emit
from leannet.nas.spaces import space_of
from leannet.nas.tables import Checked, LatencyTable, Work, measure_table
from leannet.rows import Add, Architecture, Conv, Input, Pool, Upsample
from leannet.runtime import Program, engine, machine
from leannet.runtime.engines import Floats
from leannet.runtime.row_probes import BEFORE, ROW, probes
from leannet.zoo import FAMILIES, architecture

DEBUG = sorted(name for name in FAMILIES if name.endswith("_debug"))


@dataclass
class Clockwork:
    """An engine whose networks take a millisecond a session, and a nanosecond a mult-add, and one a number of the image
    and of the answer, on a clock of its own."""

    now: float = 0.0

    def version(self) -> str:
        return "clockwork 1"

    def prepare(self, what: Program, threads: int) -> Callable[[Floats], list[Floats]]:
        rows = what.architecture
        moved = rows.input.shape.elements + sum(rows.shapes[name].elements for name in rows.output_names)
        seconds = 1e-3 + 1e-9 * (count(rows).macs + moved)

        def run(x: Floats) -> list[Floats]:
            self.now += seconds
            return []

        return run


@pytest.mark.parametrize("name", DEBUG)
def test_a_row_between_two_is_the_row(name: str) -> None:
    rows = architecture(name)
    groups = {group.name: group for group in count(rows).by_row()}
    for node in rows.graph.nodes:
        (between, _), (of_input, _), (on_input, _), (of_output, _) = probes(node.row, node.in_shapes, node.out_shape)
        assert between.shapes[ROW] == node.out_shape
        assert on_input.input.shape == between.input.shape
        cheap = sum(group.macs for group in count(between).by_row() if group.name != ROW)
        assert count(between).macs - cheap == (groups[node.path].macs if node.path in groups else 0)
        assert of_input.input.shape == between.input.shape
        assert of_output.input.shape == node.out_shape


def test_inputs_of_several_shapes_have_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clockwork()
    rows = (
        Conv(name="a", out_channels=4, kernel=3),
        Pool(name="b", op="max", kernel=2, stride=2),
        Conv(name="c", out_channels=6, stride=2, inputs=("b",)),
        Upsample(name="up", factor=4),
        Conv(name="d", out_channels=4),
        Add(name="sum", inputs=("d", "a")),
    )
    table = Architecture(name="x", input=Input(height=16, width=16), rows=rows)
    for node in table.graph.nodes:
        (between, _), (of_input, _), *_ = probes(node.row, node.in_shapes, node.out_shape)
        assert between.shapes[ROW] == node.out_shape
        helpers = {row.name for row in between.rows} - {ROW, BEFORE, "after"}
        assert helpers <= {row.name for row in of_input.rows}
    macs = {group.name: group.macs for group in count(table).by_row()}
    monkeypatch.setattr("leannet.nas.tables.engine", lambda _: clock)
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    measured = measure_table(Work.of([table]), seconds=1)
    for node in table.graph.nodes:
        # A number that a helper gives back costs a nanosecond here.
        assert measured.row_ms(node) == pytest.approx(1e-6 * macs.get(node.path, 0), abs=1e-6 * 16 * 16 * 8)


def test_predictions_are_what_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run costs once, the image and the answer included, is in the overhead and in no row."""
    clock = Clockwork()
    monkeypatch.setattr("leannet.nas.tables.engine", lambda _: clock)
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    space = space_of(architecture("mobilenet_v2", 0.35, 96), squeeze=(0,))
    draw = np.random.default_rng(0)
    wholes = [space.architecture(space.random(draw)) for _ in range(5)]
    counts: list[int] = []
    table = measure_table(Work.of(space.covering(), wholes), seconds=1, done=counts.append)
    assert counts == sorted(counts)
    assert counts[-1] > 64
    image = space.base.input.shape.elements
    assert table.overhead_ms(wholes[0]) == pytest.approx(1 + 1e-6 * (image + 1000), rel=0.01)
    assert max(map(abs, table.errors)) < 0.001
    another = space.architecture(space.random(draw))
    expected = 1 + 1e-6 * (count(another).macs + image + 1000)
    assert table.predict(another) == pytest.approx(expected, rel=0.002)
    assert "5 by no more than 10 %" in table.quality()


def test_a_table_is_a_file(tmp_path: Path) -> None:
    work = Work.of((), [architecture("mobilenet_v3_debug")])
    table = measure_table(work, seconds=0.1)
    table.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json") == table
    assert table.predict(architecture("mobilenet_v3_debug")) == pytest.approx(table.checks[0].measured_ms)
    with pytest.raises(LeannetError, match=r"lacks row Conv1, .* and .* more on these shapes"):
        table.predict(architecture("mobilenet_v2"))


def test_errors_leave_out_the_network_itself() -> None:
    table = _table(checks=(Checked("a", 1, 1, 2), Checked("b", 1, 2, 3), Checked("c", 1, 3, 5)))
    assert table.overhead_ms(architecture("mobilenet_v2")) == 1
    assert table.errors == pytest.approx([(1 + 1.5 - 2) / 2, (2 + 1.5 - 3) / 3, (3 + 1 - 5) / 5])
    assert "is not known" in _table(checks=(Checked("a", 1, 1, 2),)).quality()


def test_weights_that_no_cache_holds_are_in_the_overhead() -> None:
    """Half a millisecond, and a hundredth a MB."""
    checks = tuple(Checked(str(mb), mb, 1 + 0.1 * mb, 1.5 + 0.11 * mb) for mb in (4, 8, 10, 13, 15))
    table = _table(checks=checks)
    assert max(map(abs, table.errors)) < 1e-9
    rows = architecture("mobilenet_v2")
    assert table.overhead_ms(rows) == pytest.approx(0.5 + 0.01 * count(rows).weight_bytes / 1e6)
    less = tuple(Checked(str(mb), mb, 2 + 0.1 * mb, 3 + 0.09 * mb) for mb in (4, 8, 10, 13, 15))  # nothing is fetched
    assert _table(checks=less).overhead_ms(rows) == pytest.approx(1 - 0.01 * 10)


def test_a_table_of_another_engine_or_machine_is_refused() -> None:
    table = _table()
    table.check("onnxruntime", "float32", 1)
    for asked, says in (
        (("openvino", "float32", 1), "--latency-engine openvino: .* measured with onnxruntime"),
        (("onnxruntime", "int8", 1), "--latency-precision int8: .* measured with float32"),
        (("onnxruntime", "float32", 2), "--latency-threads 2: .* measured with 1"),
    ):
        with pytest.raises(LeannetError, match=says):
            table.check(*asked)
    other = replace(table.setting, machine=replace(machine(), processor="Cortex-A76"))
    elsewhere = replace(table, setting=other)
    older = replace(table, setting=replace(table.setting, version="onnxruntime 1.0.0"))
    with pytest.raises(LeannetError, match=r"another version: expected onnxruntime .*, found onnxruntime 1\.0\.0; "):
        older.check("onnxruntime", "float32", 1)
    older.check("onnxruntime", "float32", 1, allowed=older.setting.machine.processor)
    with pytest.raises(LeannetError, match=r"of another machine: .*--device 'Cortex-A76'"):
        elsewhere.check("onnxruntime", "float32", 1)
    with pytest.raises(LeannetError, match="--device Cortex-A55: expected its latency table, found one of Cortex-A76"):
        elsewhere.check("onnxruntime", "float32", 1, allowed="Cortex-A55")
    elsewhere.check("onnxruntime", "float32", 1, allowed="Cortex-A76")
    with pytest.raises(LeannetError, match="--device Cortex-A76: expected its latency table"):
        table.check("onnxruntime", "float32", 1, allowed="Cortex-A76")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", "found no JSON"),
        ("[]", "expected a latency table, as leannet latency-table writes it"),
        ('{"format_version": 9}', "of version 1, found 9: update leannet"),
        ('{"format_version": 1, "setting": {}}', "found something else"),
    ],
)
def test_what_is_no_table_says_so(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(LeannetError, match=says):
        LatencyTable.load(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("engine_name", "precision"),
    [
        ("onnxruntime", "float32"), ("litert", "int8"),
        *(pytest.param(*each, marks=pytest.mark.everything) for each in (
            ("onnxruntime", "int8"), ("openvino", "float32"), ("ncnn", "float32"), ("litert", "float32")
        )),
    ],
)  # fmt: skip
def test_an_emitted_folder_times_itself(tmp_path: Path, engine_name: str, precision: str) -> None:
    """Without leannet: its own files, numpy and one engine. It goes on where it stopped."""
    work = Work.of((), [architecture("mobilenet_v3_debug")])
    folder = tmp_path / "device"
    emit(work, folder, engine_name, precision)
    alone = (
        "import runpy, sys; sys.modules['leannet'] = None; sys.argv[0] = 'run.py'; "
        "runpy.run_path('run.py', run_name='__main__')"
    )
    words = ["--seconds", "0.1", "--device", "board"]

    def run() -> str:
        done = subprocess.run([sys.executable, "-c", alone, *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "networks timed" in run()
    table = LatencyTable.load(folder / "latency_table.json")
    assert table.setting.machine.processor == "board"
    assert table.setting.version == engine(engine_name).version()
    assert set(table.rows) == set(work.probes.rows)
    assert table.predict(architecture("mobilenet_v3_debug")) > 0
    times = json.loads((folder / "times.json").read_text())
    del times["times"][next(iter(times["times"]))]
    (folder / "times.json").write_text(json.dumps(times))
    assert f"{len(work.networks):,} of {len(work.networks):,}" in run()  # one alone


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    work = Work.of((), [architecture("mobilenet_v3_debug")])
    with pytest.raises(LeannetError, match="expected a new or an empty folder"):
        emit(work, tmp_path)
    with pytest.raises(LeannetError, match="--engine torch: expected an engine that reads files"):
        emit(work, tmp_path / "b", "torch")


def _table(checks: tuple[Checked, ...] = ()) -> LatencyTable:
    work = Work.of((), [])
    table = measure_table(work)
    return replace(table, checks=checks)
