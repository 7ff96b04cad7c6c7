"""The number of threads of a training step: the fastest one, chosen anew as the machine changes, and kept by a run."""

from pathlib import Path
from typing import Any

import pytest
import torch

from leannet.console import Console
from leannet.training import resume, train
from leannet.training import threads as threads_module
from leannet.training.pace import Steps
from leannet.training.settings import Settings
from leannet.training.threads import Threads
from leannet.zoo import architecture

SMALL: dict[str, Any] = {"model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True}


class Machine:
    """Steps that take what a test says for each number of threads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]):
        self.seconds, self.now, self.steps = seconds, 0.0, 0
        machine = self
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
        monkeypatch.setattr(threads_module, "time", self)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)

        class FakeSteps:
            def __init__(self, _: object, settings: Settings, images: int | None = None):
                self.share = 1 if images is None else images / settings.batch_size

            def step(self) -> float:
                machine.steps += 1
                taken = self.share * machine.seconds[torch.get_num_threads()]
                machine.now += taken
                return taken

        monkeypatch.setattr(threads_module, "Steps", FakeSteps)
        torch.set_num_threads(2)

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _one_thread_afterwards() -> Any:
    yield
    torch.set_num_threads(1)


def _threads(**settings: Any) -> Threads:
    made = Settings.make({"data": "x", "cpu": True, **settings})
    return Threads(architecture("mobilenet_v3_debug"), made, Console(), None)


def test_the_fastest_is_chosen_anew_when_the_machine_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(monkeypatch, {1: 0.010, 2: 0.006})
    threads = _threads()
    threads.choose()
    assert threads.number == torch.get_num_threads() == 2
    assert capsys.readouterr().err == ""
    machine.seconds = {1: 0.012, 2: 0.030}  # others crowd the cores
    threads.choose()
    assert threads.number == 2  # too early to ask again
    machine.now += 10
    threads.choose()
    assert threads.number == torch.get_num_threads() == 1
    assert "1 thread from now on: 2.5 times as fast as 2" in capsys.readouterr().err
    machine.seconds, machine.now = {1: 0.0105, 2: 0.010}, machine.now + 100  # no reason to change
    threads.choose()
    assert threads.number == 1
    machine.seconds, machine.now = {1: 0.010, 2: 0.006}, machine.now + 100
    threads.choose()
    assert threads.number == torch.get_num_threads() == 2


def test_choosing_takes_a_fiftieth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {1: 0.2, 2: 0.1})
    threads = _threads()
    spent = 0.0
    for _ in range(2000):
        before = machine.now
        threads.choose()
        spent += machine.now - before
        machine.now += 1
    assert 0.01 * machine.now < spent < 0.02 * machine.now


@pytest.mark.parametrize(("seconds", "number"), [({1: 9.0, 2: 5.0}, 2), ({1: 0.15, 2: 2.5}, 1)])
def test_long_steps_are_chosen_by_few_images(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], number: int
) -> None:
    """Of a large network, and of a small one on a machine that is busy when the training begins."""
    machine = Machine(monkeypatch, seconds)
    threads = _threads(batch_size=256)
    threads.choose()
    assert threads.number == torch.get_num_threads() == number
    assert machine.now < max(seconds.values())  # less than one whole batch takes
    machine.seconds, machine.now = {1: 0.1, 2: 0.06}, machine.now + 1000
    threads.choose()
    assert threads.number == 2


def test_a_run_goes_on_where_there_are_other_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, {1: 0.01, 2: 0.006, 4: 0.05})
    settings = Settings.make({"data": "x", "cpu": True})
    threads = Threads(architecture("mobilenet_v3_debug"), settings, Console(), 4)
    assert threads.number == torch.get_num_threads() == 4  # as it was, until it is timed
    threads.choose()
    assert threads.number == 2


def test_a_number_that_is_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {1: 0.001, 2: 0.1})
    threads = _threads(threads=2)
    threads.choose()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    other = _threads()
    other.choose()
    assert (threads.number, other.number, machine.steps) == (2, 2, 0)


def test_a_run_keeps_its_number_and_writes_it_down(shapes: Path, tmp_path: Path) -> None:
    run = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 2, "threads": 2})
    assert [line["threads"] for line in run.log] == [2, 2]
    assert (tmp_path / "run" / "log.csv").read_text().splitlines()[0].endswith(",images_per_s,threads")
    assert torch.get_num_threads() == 1  # given back
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace("epochs = 2\n", "epochs = 3\n").replace("threads = 2\n", ""))
    assert [line["threads"] for line in resume(tmp_path / "run", quiet=True).log] == [2, 2, 2]


def test_steps_are_those_of_the_settings() -> None:
    """A batch in parts takes no more memory than a part does; precision and optimizer are those that train."""
    rows = architecture("mobilenet_v3_debug")
    settings = Settings.make({"data": "x", "batch_size": 12, "accumulate": 3, "precision": "bf16"})
    steps = Steps(rows, settings)
    assert steps._x.shape == (4, *rows.input.shape)
    assert steps.step() > 0
    assert Steps(rows, settings, 5)._x.shape[0] == 5
    too_many = Settings.make({"data": "x", "batch_size": 4, "accumulate": 8})  # refused later, in one line
    assert Steps(rows, too_many).step() > 0
    exact = Steps(rows, Settings.make({"data": "x", "precision": "fp64"}))
    assert exact._x.dtype == torch.float64
    assert exact.step() > 0
