"""The page of a run that is not finished, or not whole: what it rests on is said, and nothing is guessed."""

import csv
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import leannet
from leannet.checkpoint import load, save
from leannet.cli.report import command
from leannet.errors import LeannetError
from leannet.reports.completion import unfinished
from leannet.reports.page import middle, short
from leannet.reports.run_contents import read_run
from leannet.reports.summary import resolved
from leannet.run_files import STATE
from leannet.sections import Metrics
from leannet.tasks.predictions import read_predictions, read_whole_lines
from leannet.training import Settings
from tests.reports.synthetic_runs import synthetic_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Ten epochs of ten, the eighth kept, and no state for resuming."""
    return synthetic_run(tmp_path / "run", classes=3, images=360)


def _page(run: Path) -> str:
    return leannet.report(run).read_text()


def _state(run: Path, epoch: int, ended: bool = False) -> None:
    (run / STATE).parent.mkdir(exist_ok=True)
    words = {"state": {"epoch": epoch, "step": 0, "ended": ended}}
    save_file({"network.a": np.zeros(1, np.float32)}, run / STATE, {"state": json.dumps(words)})


def _cut(run: Path, lines: int) -> None:
    log = (run / "log.csv").read_text().splitlines()
    (run / "log.csv").write_text("\n".join(log[: lines + 1]) + "\n")


def test_a_stopped_run_is_named(run: Path) -> None:
    assert "Stopped" not in _page(run)
    _cut(run, 9)
    assert "Stopped after 9 of 10 epochs. It cannot be resumed: state/resume.safetensors is missing" in _page(run)
    _state(run, 9)
    assert f"Stopped after 9 of 10 epochs; to go on: leannet train --resume {run}" in _page(run)
    _state(run, 9, ended=True)
    assert "Stopped" not in _page(run)
    _state(run, 10)
    assert "Stopped" not in _page(run)
    _state(run, 0)
    assert "Stopped after less than one of 10 epochs; to go on: leannet train --resume" in _page(run)


def test_an_end_before_the_last_epoch_is_none(run: Path) -> None:
    log = read_run(run).log
    with_clock = {"epochs": 40, "time": 60.0}
    assert unfinished(run, with_clock, log) == ""  # nothing tells
    assert "log.csv has 10 of 40 epochs" in unfinished(run, {"epochs": 40, "patience": 5}, log)
    worse = [line | {"validation_accuracy": 0.0} for line in log[4:]]
    assert unfinished(run, {"epochs": 40, "patience": 6}, log[:4] + worse) == ""
    _state(run, 10)
    assert unfinished(run, with_clock, log).startswith(
        "Stopped after 10 epochs, before its time was up; to go on: leannet train"
    )
    assert unfinished(run, {}, log) == ""


@pytest.mark.parametrize("line", ["kind 000/1.jpg,kind 0", "a,kind 009,kind 000,1,0,0", "a,kind 000,kind 000,1,0,x"])
def test_a_broken_line_is_left_out_and_the_rest_is_said_to_be_less(run: Path, line: str) -> None:
    file = run / "predictions.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-1], line]) + "\n")
    page = _page(run)
    assert "1 of the 360 lines of predictions.csv is broken and left out." in page
    assert "the 359 validation images that are left of 360, of which the run recorded" in page
    assert "; 359 of 360 images" in page
    assert "<h2>Confusion matrix</h2>" in page
    assert "another epoch" not in page
    (names, *_), broken = read_whole_lines(file)
    assert (len(names), broken) == (359, 1)
    with pytest.raises(LeannetError, match="found 1 of 360 lines broken"):
        read_predictions(file)


def test_predictions_that_end_early_or_hold_nothing(run: Path) -> None:
    file = run / "predictions.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:101]) + "\n")
    assert "260 of the 360 validation images are not in predictions.csv." in _page(run)
    file.write_text("\n".join([lines[0], "a,b"]) + "\n")
    assert "predictions.csv: none of its 1 lines is whole" in _page(run)
    file.write_text("a,b\n")
    assert "predictions.csv: expected the columns path, truth, prediction" in _page(run)


def test_without_the_best_weights_the_last_tell_the_rest(run: Path) -> None:
    network, header = load(run)
    save(run / "last.safetensors", network, header.model_copy(update={"metrics": Metrics(epoch=10)}))
    (run / "model.safetensors").write_bytes(b"")
    contents = read_run(run)
    accuracies = [line["validation_accuracy"] for line in contents.log]
    assert contents.best_epoch == 1 + accuracies.index(max(accuracies))
    page = _page(run)
    assert "Rows, cost and data are read from last.safetensors instead." in page
    assert all(f"<h2>{name}</h2>" in page for name in ("Data", "Cost", "Confusion matrix"))
    assert "its weights are kept" not in page
    (run / "last.safetensors").unlink()
    assert "Missing: the best weights, and with them their rows, cost and data (" in _page(run)


def test_what_is_not_there_is_not_explained(run: Path) -> None:
    (run / "log.csv").unlink()
    (run / "predictions.csv").unlink()
    page = _page(run)
    assert "log.csv: not there)" in page
    assert "predictions.csv: not there)" in page


def test_folds_are_no_run(run: Path) -> None:
    (run.parent / "folds").mkdir()
    run.rename(run.parent / "folds" / "fold-1")
    (run.parent / "folds" / "predictions.csv").write_text("path,truth,prediction\n")
    with pytest.raises(LeannetError, match=r"found the folds of a cross-validation: leannet report .*fold-1$"):
        leannet.report(run.parent / "folds")


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "rmsprop"])
def test_settings_left_alone_are_shown_as_training_takes_them(name: str) -> None:
    settings = Settings.make({"data": "x", "batch_size": 128, "optimizer": {"name": name}})
    shown = resolved(settings.model_dump(mode="json", exclude_none=True))["optimizer"]
    assert shown["lr"] == f"{settings.optimizer.rate(128):.4g} (default)"
    assert shown["weight_decay"] == f"{settings.optimizer.decay():g} (default)"
    chosen = {"batch_size": 128, "optimizer": {"name": name, "lr": 0.3, "weight_decay": 0.0}}
    assert resolved(chosen) == chosen


def test_remarks_on_the_files_are_shown(run: Path) -> None:
    network, header = load(run)
    remarks = ["1 file cannot be read and is left out: a.jpg", "2 files are converted to RGB: b.png, c.gif"]
    provenance = header.provenance.model_copy(update={"remarks": tuple(remarks)})
    save(run / "model.safetensors", network, header.model_copy(update={"provenance": provenance}))
    page = _page(run)
    assert "2 files are converted to RGB: b.png, c.gif" in page
    assert "1 file cannot be read" not in page  # these are listed, each with its reason


def test_long_names_are_cut_in_the_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert middle("class_number_042", 13) == "class_…er_042"
    assert [len(middle("x" * 200, most)) for most in (12, 13)] == [12, 13]
    assert short(15_400) == "15.4\N{NO-BREAK SPACE}k"
    run = synthetic_run(tmp_path / "run", classes=4, images=100)
    long = "x" * 196 + "0001"
    network, header = load(run)
    classes = tuple(name.replace("kind 001", long) for name in header.classes)
    save(run / "model.safetensors", network, header.model_copy(update={"classes": classes}))
    (run / "predictions.csv").write_text((run / "predictions.csv").read_text().replace("kind 001", long))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        command(str(run), figures=tmp_path / "figures")
    assert capsys.readouterr().out.split() == [str(run / "report.html"), str(tmp_path / "figures")]
    with (tmp_path / "figures" / "confusion.csv").open(newline="") as file:
        assert next(csv.reader(file))[2] == long  # data are never cut
    svg = (tmp_path / "figures" / "confusion.svg").read_text()
    scores = read_run(run).predictions
    assert scores is not None
    shown = re.findall(r"<text[^>]*>(\d+)</text>", svg)
    assert all(f"{100 * each.recall:.0f}" in shown for each in scores.scores.per_class)
    assert all(f"{100 * each.precision:.0f}" in shown for each in scores.scores.per_class)


def test_where_to_write_is_checked_before_it_measures(run: Path, tmp_path: Path) -> None:
    with pytest.raises(LeannetError, match=r"--out .*: expected a name ending in .html, in a folder that exists"):
        command(str(run), tmp_path / "none" / "page.html", measure=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(LeannetError, match=r"--figures .*: expected a folder, or a name for a new one"):
        command(str(run), figures=tmp_path / "file", measure=True)
    with pytest.raises(LeannetError, match="no engine is named 'none'"):
        command(str(run), measure=True, engine="none", quiet=True)
    assert not (run / "latency.json").exists()
