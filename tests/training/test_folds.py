"""Cross-validation: a partition, each image predicted once by a network that did not train on it."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leannet.cli.app import main
from leannet.console import Console
from leannet.data import scan as scanning
from leannet.data.scan import scan
from leannet.data.sources import open_dataset
from leannet.data.split import split_dataset
from leannet.errors import LeannetError
from leannet.tasks import Classification
from leannet.tasks.predictions import read_predictions
from leannet.training import cross_validate, folds, train
from leannet.training import run as run_module
from leannet.training.folds import resume_folds

SMALL: dict[str, Any] = {"model": "two_layer_debug", "epochs": 1, "quiet": True, "workers": 0, "batch_size": 8}


def test_folds_are_a_partition(shapes: Path) -> None:
    scanned = scan(open_dataset(str(shapes)))
    splits = [split_dataset(scanned.dataset, scanned.digests, None, 0, (i, 4)) for i in (1, 2, 3, 4)]
    validated = np.concatenate([split.validation for split in splits])
    assert sorted(validated) == list(range(len(scanned.dataset)))
    for split in splits:
        assert sorted([*split.train, *split.validation]) == list(range(len(scanned.dataset)))
        assert np.bincount(scanned.dataset.labels[split.validation]).tolist() == [3, 3]


def test_every_image_is_predicted_once(shapes: Path, tmp_path: Path) -> None:
    folds = cross_validate(str(shapes), 3, tmp_path / "cv", **SMALL)
    names, *_ = read_predictions(tmp_path / "cv" / "predictions.csv")
    assert sorted(names) == sorted(open_dataset(str(shapes)).names)
    assert len(folds.accuracies) == 3
    assert "over 3 folds" in folds.line()
    with pytest.raises(LeannetError, match="new or empty"):
        cross_validate(str(shapes), 3, tmp_path / "cv", **SMALL)


@pytest.mark.parametrize(
    "wrong", [{"folds": 3}, {"fold": 1}, {"folds": 3, "fold": 4}, {"folds": 3, "fold": 1, "split": "80:20"}]
)
def test_folds_that_make_no_sense(shapes: Path, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(LeannetError, match="expected folds, a fold from 1 to that number"):
        train(str(shapes), out=tmp_path / "run", **SMALL, **wrong)


def test_a_cross_validation_goes_on_where_it_was_stopped(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Interrupted in the second fold of three, and killed before the third has begun: the same as never stopped."""
    settings = SMALL | {"epochs": 2}
    whole = cross_validate(str(shapes), 3, tmp_path / "whole", **settings)
    advance, calls = Console.advance, []

    def stop(self: Console, done: int, label: str, note: str = "", total: int | None = None) -> None:
        advance(self, done, label, note, total)
        calls.extend([1] * label.startswith("epoch"))
        if len(calls) == 6:  # of four in each fold
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Console, "advance", stop)
        stopped = cross_validate(str(shapes), 3, tmp_path / "part", **settings)
    assert [run.finished for run in stopped.runs] == [True, False]
    assert stopped.line().startswith(f"{100 * whole.accuracies[0]:.2f} % over 1 of 3 folds")
    assert (
        len(read_predictions(tmp_path / "part" / "predictions.csv")[0])
        == stopped.runs[0].header.split.sizes["validation"]
    )
    with pytest.raises(LeannetError, match=r"expected a new or empty folder, found another, or go on .*--resume"):
        cross_validate(str(shapes), 3, tmp_path / "part", **settings)

    monkeypatch.setattr("sys.argv", ["leannet", "train", "--resume", str(tmp_path / "part"), "--quiet"])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code in {0, None}
    assert "over 3 folds" in capsys.readouterr().out
    for fold in (1, 2, 3):
        one, other = (tmp_path / name / f"fold-{fold}" for name in ("whole", "part"))
        assert (one / "predictions.csv").read_bytes() == (other / "predictions.csv").read_bytes()
    assert (tmp_path / "whole/predictions.csv").read_bytes() == (tmp_path / "part/predictions.csv").read_bytes()
    with pytest.raises(LeannetError, match=r"expected the folds of a cross-validation"):
        resume_folds(tmp_path / "whole" / "fold-1")


def test_ctrl_c_after_the_last_epoch_of_a_fold_ends_the_folds(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While its last epoch is validated, and between two folds: the folds that are done stay, no other one trains."""
    whole = cross_validate(str(shapes), 3, tmp_path / "whole", **SMALL)
    score = Classification.score

    pressed: list[bool] = []

    def late(self: Classification, predictions: Any, images: Any) -> Any:
        if not pressed:
            os.kill(os.getpid(), signal.SIGINT)
        pressed.append(True)
        return score(self, predictions, images)

    with monkeypatch.context() as patch:
        patch.setattr(Classification, "score", late)
        words = [str(shapes), "--model", "two_layer_debug", "--epochs", "1", "--batch-size", "8", "--workers", "0"]
        patch.setattr("sys.argv", ["leannet", "train", *words, "--folds", "3", "--out", str(tmp_path / "cv")])
        with pytest.raises(SystemExit) as exit:
            main()
    assert exit.value.code == 130
    assert "stopped after fold 1 of 3; to go on: leannet train --resume" in capsys.readouterr().out
    assert [path.name for path in sorted((tmp_path / "cv").glob("fold-*"))] == ["fold-1"]

    begin, starts = folds.start, []

    def between(*words: Any) -> Any:
        starts.append(words)
        if len(starts) == 2:
            raise KeyboardInterrupt
        return begin(*words)

    with monkeypatch.context() as patch:
        patch.setattr(folds, "start", between)
        resumed = resume_folds(tmp_path / "cv", quiet=True)
    assert [run.finished for run in resumed.runs] == [True, True]
    assert resume_folds(tmp_path / "cv", quiet=True).accuracies == whole.accuracies


def test_images_are_read_once_and_finished_folds_train_no_more(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scanned: list[int] = []
    inspect = scanning._inspect
    monkeypatch.setattr(scanning, "_inspect", lambda *words: (scanned.append(1), inspect(*words))[1])
    words = SMALL | {"quiet": False}
    whole = cross_validate(str(shapes), 3, tmp_path / "cv", **words)
    printed = capsys.readouterr().err
    assert (len(scanned), printed.count("class folders, 24 images"), printed.count("training two_layer")) == (24, 1, 3)
    files = {path: path.read_bytes() for path in (tmp_path / "cv").rglob("*.safetensors")}
    assert len(files) == 3 * 3  # model, last and state of each fold
    again = resume_folds(tmp_path / "cv", cpu=True)
    printed = capsys.readouterr().err
    assert (len(scanned), printed.count("training two_layer"), printed.count("finished with epoch 1")) == (48, 0, 3)
    assert again.to_dict()["accuracies"] == whole.accuracies
    assert files == {path: path.read_bytes() for path in (tmp_path / "cv").rglob("*.safetensors")}


def test_cpu_may_stand_beside_resume(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run trains is no part of what it is: its settings stay as they were."""
    train(str(shapes), out=tmp_path / "run", **SMALL, split="60:20:20")
    config = tmp_path / "run" / "config.toml"
    config_text = config.read_text()
    trained_on_cpu: list[bool] = []
    fit = run_module.fit
    monkeypatch.setattr(run_module, "_has_finished", lambda *_: False)  # it trains on, for no epoch
    monkeypatch.setattr(
        run_module, "fit", lambda job, *words: (trained_on_cpu.append(job.settings.cpu), fit(job, *words))[1]
    )
    words = ["--resume", str(tmp_path / "run"), "--cpu", "--quiet"]
    monkeypatch.setattr("sys.argv", ["leannet", "train", *words])
    with pytest.raises(SystemExit) as exit:
        main()
    assert (exit.value.code or 0, trained_on_cpu) == (0, [True])
    assert config.read_text() == config_text
    assert "cpu = false" in config_text
