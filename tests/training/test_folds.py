"""Cross-validation: a partition, each picture judged once by a network that did not train on it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leannet.data.scan import scan
from leannet.data.sources import open_pictures
from leannet.data.split import split
from leannet.errors import LeannetError
from leannet.evaluation.predictions import read_predictions
from leannet.training import cross_validate, train

SMALL: dict[str, Any] = {"model": "two_layer_debug", "epochs": 1, "quiet": True, "workers": 0, "batch_size": 8}


def test_folds_are_a_partition(shapes: Path) -> None:
    found = scan(open_pictures(str(shapes)))
    parts = [split(found.pictures, found.digests, None, 0, (i, 4)) for i in (1, 2, 3, 4)]
    together = np.concatenate([part.validation for part in parts])
    assert sorted(together) == list(range(len(found.pictures)))
    for part in parts:
        assert sorted([*part.train, *part.validation]) == list(range(len(found.pictures)))
        assert np.bincount(found.pictures.labels[part.validation]).tolist() == [3, 3]


def test_every_picture_is_predicted_once(shapes: Path, tmp_path: Path) -> None:
    folds = cross_validate(str(shapes), 3, tmp_path / "cv", **SMALL)
    names, *_ = read_predictions(tmp_path / "cv" / "predictions.csv")
    assert sorted(names) == sorted(open_pictures(str(shapes)).names)
    assert len(folds.accuracies) == 3
    assert "over 3 folds" in folds.line()
    with pytest.raises(LeannetError, match="new or empty"):
        cross_validate(str(shapes), 3, tmp_path / "cv", **SMALL)


@pytest.mark.parametrize(
    "wrong", [{"folds": 3}, {"fold": 1}, {"folds": 3, "fold": 4}, {"folds": 3, "fold": 1, "split": "80:20"}]
)
def test_folds_that_make_no_sense(shapes: Path, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(LeannetError, match="expected folds"):
        train(str(shapes), out=tmp_path / "run", **SMALL, **wrong)
