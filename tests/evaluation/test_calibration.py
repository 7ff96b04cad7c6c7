"""Calibration against a hand count, an independent loop, and scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from leannet.evaluation.calibration import BINS, calibrate


def test_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.55, 0.45]])
    calibration = calibrate(probabilities, np.array([0, 1, 1, 0]), bins=2)
    # All four answers lie in (0.5, 1]: said 0.9 + 0.8 + 0.7 + 0.55 = 2.95, right 3 times.
    assert calibration.ece == pytest.approx(abs(3 - 2.95) / 4)
    assert (calibration.accuracy, calibration.confidence) == (0.75, pytest.approx(2.95 / 4))
    assert [each.images for each in calibration.bins] == [0, 4]
    assert (calibration.bins[0].accuracy, calibration.bins[0].confidence) == (None, None)
    assert (calibration.bins[1].low, calibration.bins[1].high) == (0.5, 1.0)


def test_an_edge_belongs_to_the_bin_below_it() -> None:
    calibration = calibrate(np.array([[0.75, 0.25], [1.0, 0.0]]), np.array([0, 0]), bins=4)
    assert [each.images for each in calibration.bins] == [0, 0, 1, 1]


def test_sure_and_always_right_has_no_error() -> None:
    assert calibrate(np.eye(3), np.arange(3)).ece == 0
    assert calibrate(np.eye(3), (np.arange(3) + 1) % 3).ece == 1


def test_as_a_plain_loop_and_scikit_learn_have_it() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(10, 0.3), 5000)
    labels = np.where(random.random(5000) < 0.6, probabilities.argmax(1), random.integers(0, 10, 5000))
    calibration = calibrate(probabilities, labels)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    error = 0.0
    for m in range(1, BINS + 1):
        inside = (confidence > (m - 1) / BINS) & (confidence <= m / BINS)
        if inside.any():
            error += inside.sum() / 5000 * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration.ece == pytest.approx(error, rel=1e-9)
    share, mean = calibration_curve(right, confidence, n_bins=BINS)
    filled = [each for each in calibration.bins if each.images]
    assert [each.accuracy for each in filled] == pytest.approx(share)
    assert [each.confidence for each in filled] == pytest.approx(mean)
