"""TensorBoard's files: the figures of log.csv, each epoch once, also where a run was stopped and went on."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from leannet.console import Console
from leannet.errors import LeannetError
from leannet.training import Run, resume, train
from leannet.training.tensorboard import FOLDER, SCALARS

SMALL: dict[str, Any] = {"model": "two_layer_debug", "batch_size": 5, "workers": 0, "quiet": True, "tensorboard": True}


def _read(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's own reader finds: of each name the steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(run / FOLDER))
    reader.Reload()
    return {name: [(e.step, e.value) for e in reader.Scalars(name)] for name in reader.Tags()["scalars"]}


def _agrees(run: Run) -> None:
    scalars = _read(run.path)
    columns = {column: name for column, name in SCALARS.items() if column in run.log[0]}
    assert set(scalars) == set(columns.values())
    for column, name in columns.items():
        assert [step for step, _ in scalars[name]] == [line["epoch"] for line in run.log]
        assert [value for _, value in scalars[name]] == pytest.approx([line[column] for line in run.log], rel=1e-6)


def test_what_is_read_back_is_the_log(shapes: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    _agrees(train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 3}))
    plain = train(str(shapes), out=tmp_path / "plain", **SMALL | {"epochs": 3, "tensorboard": False})
    assert not (plain.path / FOLDER).exists()
    for name in ("model.safetensors", "predictions.csv"):  # it is looked at, and nothing changes
        assert (plain.path / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_a_run_that_goes_on_has_each_epoch_once(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    advance = Console.advance
    calls: list[int] = []

    def stop(self: Console, done: int, label: str, note: str = "", total: int | None = None) -> None:
        nonlocal calls
        advance(self, done, label, note, total)
        calls += [done] * label.startswith("epoch")
        if calls[-1:] == [9]:  # in the middle of the third epoch
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Console, "advance", stop)
        stopped = train(str(shapes), out=tmp_path / "run", **SMALL | {"epochs": 4})
    assert not stopped.finished
    _agrees(stopped)
    _agrees(resume(tmp_path / "run", quiet=True))


def test_events_of_an_epoch_that_was_lost_are_replaced(tmp_path: Path) -> None:
    """A run killed between its events and its state does that epoch again."""
    pytest.importorskip("tensorboard")
    from leannet.training.tensorboard import events

    line = dict.fromkeys(SCALARS, 1.0)
    with events(tmp_path, 0) as log:
        for epoch in (1, 2, 3):
            log(line | {"epoch": epoch})
    with events(tmp_path, 2) as log:
        log(line | {"epoch": 3, "train_loss": 2.0})
    assert _read(tmp_path)["train/loss"] == [(1, 1.0), (2, 1.0), (3, 2.0)]


def test_without_the_package_nothing_begins(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(LeannetError, match=r"pip install 'leannet\[tensorboard\]'"):
        train(str(shapes), out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()
