"""The number of threads of a training step: the fastest one, chosen anew as the machine changes, and kept by a run."""

from pathlib import Path
from typing import Any

import pytest
import torch

from leannet.console import Console
from leannet.training import resume, train
from leannet.training import threads as threads_module
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
        monkeypatch.setattr(threads_module, "time", self)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)

        class FakeSteps:
            def __init__(self, *_: object):
                pass

            def step(self) -> float:
                machine.steps += 1
                taken = machine.seconds[torch.get_num_threads()]
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


def test_long_steps_keep_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, {1: 0.9, 2: 0.5})
    threads = _threads()
    for _ in range(10):
        threads.choose()
        machine.now += 1000
    assert threads.number == torch.get_num_threads() == 2
    assert machine.steps == 1


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
