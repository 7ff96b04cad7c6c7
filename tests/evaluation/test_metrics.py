"""Scores against formulas, scikit-learn's own numbers and hand counts."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support, top_k_accuracy_score

from leannet.evaluation import score, wilson


@pytest.mark.parametrize(("right", "total"), [(0, 10), (3, 10), (10, 10), (98, 100), (9_412, 10_000)])
def test_wilson_is_scipys(right: int, total: int) -> None:
    interval = binomtest(right, total).proportion_ci(0.95, method="wilson")
    assert wilson(right, total) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_scores_by_other_means() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(8), 300).astype(np.float32)
    labels = random.integers(0, 8, 300)
    scores = score(probabilities, labels, tuple("abcdefgh"))
    predicted = probabilities.argmax(1)
    assert scores.accuracy == (predicted == labels).mean()
    assert scores.top5 == pytest.approx(top_k_accuracy_score(labels, probabilities, k=5))
    exact = probabilities / probabilities.sum(1, keepdims=True, dtype=np.float64)
    assert scores.loss == pytest.approx(log_loss(labels, exact), rel=1e-4)
    by_hand = [[int(((labels == t) & (predicted == p)).sum()) for p in range(8)] for t in range(8)]
    assert [list(row) for row in scores.confusion] == by_hand


@pytest.mark.parametrize("images", [1, 7, 300])  # of few images, classes that are never there or never said
def test_classes_are_scored_as_scikit_learn_does(images: int) -> None:
    random = np.random.default_rng(images)
    probabilities, labels = random.dirichlet(np.ones(8), images), random.integers(0, 8, images)
    scores = score(probabilities, labels, tuple("abcdefgh"))
    predicted, every = probabilities.argmax(1), np.arange(8)
    expected = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0.0)
    scored = [[each.precision, each.recall, each.f1, each.images] for each in scores.per_class]
    np.testing.assert_allclose(np.transpose(scored), expected)
    np.testing.assert_array_equal(scores.confusion, confusion_matrix(labels, predicted, labels=every))


def test_a_class_without_images_has_no_division_by_zero() -> None:
    scores = score(np.array([[0.9, 0.1, 0.0]], dtype=np.float32), np.array([0]), ("a", "b", "c"))
    assert [c.images for c in scores.per_class] == [1, 0, 0]
    assert scores.top5 is None
