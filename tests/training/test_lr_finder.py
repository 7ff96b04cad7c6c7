"""The learning-rate range test: its losses are those of training, and its suggestion follows its rule."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leannet
from leannet.errors import LeannetError
from leannet.training import LearningRates, find_lr, train

SMALL: dict[str, Any] = {"model": "mobilenet_v3_debug", "batch_size": 5, "workers": 0, "quiet": True}


def test_its_steps_are_those_of_training(shapes: Path, tmp_path: Path) -> None:
    """At a rate that hardly rises, each loss is that of the same step of a run at this rate."""
    augment = {"mixup": 0.2}
    rates = find_lr(str(shapes), 12, 1e-3, 1e-3 * (1 + 1e-9), augment=augment, **SMALL)
    constant = {"schedule": {"name": "constant", "warmup_epochs": 0}, "optimizer": {"lr": 1e-3}}
    train(str(shapes), out=tmp_path / "run", epochs=3, augment=augment, **constant, **SMALL)
    lines = list(csv.DictReader((tmp_path / "run" / "steps.csv").read_text().splitlines()))
    assert len(lines) == 12
    assert rates.losses == pytest.approx([float(line["loss"]) for line in lines], rel=1e-4)
    assert not rates.exploded


def test_it_is_seeded_and_explodes(shapes: Path) -> None:
    sgd = {"optimizer": {"name": "sgd"}}
    one, two = (find_lr(str(shapes), 40, 1e-4, 1e6, **sgd, **SMALL) for _ in range(2))
    assert np.array_equal(one.losses, two.losses)
    assert one.exploded
    assert len(one.losses) < 40


def _valley(noise: float) -> LearningRates:
    """A loss that is least at 0.01, at every step of two that are noise apart."""
    rates = np.geomspace(1e-6, 10, 71)
    smoothed = 2 - np.exp(-(np.log10(rates / 1e-2) ** 2))
    return LearningRates("x", rates, smoothed + noise * (-1.0) ** np.arange(71), smoothed, True)


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_least_loss() -> None:
    suggested = _valley(0.1).suggested
    assert suggested is not None
    assert math.log10(suggested) == pytest.approx(-3)
    assert _valley(5.0).suggested is None  # what falls is less than the noise


def test_figure_and_table(tmp_path: Path) -> None:
    rates = _valley(0.1)
    table = rates.save(tmp_path / "lr.svg")
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert [float(line["learning_rate"]) for line in lines] == pytest.approx(rates.rates.tolist(), rel=1e-5)
    assert [float(line["loss"]) for line in lines] == pytest.approx(rates.losses.tolist(), rel=1e-5)
    assert "Learning-rate range test of x" in (tmp_path / "lr.svg").read_text()
    assert "suggested: 0.001" in (tmp_path / "lr.svg").read_text()


@pytest.mark.parametrize("steps_and_range", [(5, 1e-6, 1.0), (50, 1.0, 0.1), (50, 0.0, 1.0)])
def test_a_range_that_is_none(shapes: Path, steps_and_range: tuple[int, float, float]) -> None:
    with pytest.raises(LeannetError, match="expected 10 steps or more"):
        find_lr(str(shapes), *steps_and_range, **SMALL)
    assert leannet.find_lr is find_lr
