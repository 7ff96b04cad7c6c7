"""What so many images can show: the interval against every possible outcome, the number of images against a count."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leannet.quantization.comparison import MIN_AGREEMENT, ClassComparison, decibels, min_decibels, relative_noise
from leannet.tasks.metrics import Scores
from tests.conftest import ROOT


def comparison(images: int, lost: int, gained: int, agreement: float = 1.0, db: float = 30.0) -> ClassComparison:
    scores = Scores(images, 0.5, 0.4, 0.6, None, None, None, 1.0, (), ())
    return ClassComparison(before=scores, after=scores, lost=lost, gained=gained, agreement=agreement, decibels=db)


@pytest.mark.parametrize(
    ("images", "p_lost", "p_gained", "least"),
    [(30, 0.1, 0.05, 0.94), (80, 0.02, 0.02, 0.94), (80, 0.04, 0.01, 0.94), (80, 0.05, 0.0, 0.91)],
)
def test_the_interval_holds_the_true_loss(images: int, p_lost: float, p_gained: float, least: float) -> None:
    """Over all outcomes, each by its probability. The plain interval of paired proportions misses more often."""
    covered = plain = 0.0
    for lost in range(images + 1):
        for gained in range(images + 1 - lost):
            rest = images - lost - gained
            ways = math.lgamma(images + 1) - sum(math.lgamma(k + 1) for k in (lost, gained, rest))
            p = [(lost, p_lost), (gained, p_gained), (rest, 1 - p_lost - p_gained)]
            if any(k and not probability for k, probability in p):
                continue
            chance = math.exp(ways + sum(k * math.log(probability) for k, probability in p if k))
            one = comparison(images, lost, gained)
            true, (low, high) = 100 * (p_lost - p_gained), one.drop_interval
            covered += chance * (low <= true <= high)
            plain += chance * (abs(one.drop - true) <= 1.96 * one.drop_error)
    assert covered > least
    assert covered >= plain


@given(st.integers(1, 300), st.floats(0, 0.2), st.sampled_from([0.1, 0.5, 1.0, 5.0]))
def test_so_many_images_are_needed(images: int, share: float, max_drop: float) -> None:
    """With so many, half the interval of a loss of nothing is no wider than the limit; with three fewer it is."""
    differing = round(share * images)
    needed = comparison(images, differing - differing // 2, differing // 2).images_needed(max_drop)
    rate = differing / images

    def margin(n: int) -> float:
        return 196 * math.sqrt(rate * (n + 2) + 1) / (n + 2)

    assert needed is not None
    assert margin(needed) <= max_drop < margin(needed - 3)


def test_one_image_is_less_than_the_limit_where_accuracy_decides() -> None:
    for max_drop in (0.1, 0.5, 2.0):
        fewest = next(n for n in range(1, 10_000) if comparison(n, 0, 0).criterion(max_drop) == "accuracy")
        assert 100 / fewest < max_drop / 1.9
        assert comparison(fewest, 0, 0).drop_interval[1] <= max_drop  # a loss beyond the limit is excluded
    assert next(n for n in range(1, 10_000) if comparison(n, 0, 0).criterion(0.5) == "accuracy") == 390
    assert comparison(80, 0, 0).criterion(0.5) == "noise"
    assert comparison(80, 1, 0).images_needed(0.5) == pytest.approx(1998, abs=5)
    assert comparison(10_000, 0, 0).criterion(0.0) == "noise"  # no number of images shows a loss of nothing
    assert comparison(80, 0, 0).images_needed(0.0) is None
    assert "80 images, of which one is 1.2 points, cannot show a loss of 0.5 points" in comparison(80, 0, 0).note(0.5)


def test_noise_decides_without_the_labels() -> None:
    few = comparison(80, 1, 0, agreement=78 / 80)
    assert not few.within(0.5, 0.0, "accuracy")  # one image
    assert few.within(0.5, 0.0, "noise")
    assert not replace(few, decibels=19.9).within(0.5, 0.0, "noise")
    assert not replace(few, agreement=75 / 80).within(0.5, 0.0, "noise")
    assert not few.within(0.5, 0.99, "noise")  # as was asked for
    assert comparison(8, 1, 0, agreement=7 / 8).within(0.5, 0.0, "noise")  # one image may always change
    assert not comparison(300, 12, 0, agreement=288 / 300).within(0.5, 0.0, "noise")  # surely more than the limit


def test_decibels_are_outputs_over_noise() -> None:
    generator = np.random.default_rng(0)
    outputs = generator.normal(3, 2, (5000, 10)).astype(np.float32)
    noisy = outputs + generator.normal(0, 0.2, outputs.shape).astype(np.float32)
    assert decibels(relative_noise(noisy, outputs)) == pytest.approx(20, abs=0.1)
    assert decibels(relative_noise(outputs, outputs)) == 120


def test_the_noise_that_is_allowed_follows_the_loss_that_is() -> None:
    """Of the networks that experiments/int8_noise.py measured, those within the limit keep it, but for luck."""
    assert [round(min_decibels(drop), 1) for drop in (0.5, 1.0, 2.0)] == [20.0, 17.0, 14.0]
    assert min_decibels(0.0) == min_decibels(0.1)
    lines = json.loads((ROOT / "docs" / "experiments" / "int8_noise.json").read_text())
    assert len({line["network"] for line in lines}) == 4
    assert sum(line["decibels"] >= min_decibels(0.25) for line in lines) >= 4
    for line in lines:
        for max_drop in (0.25, 0.5, 1.0, 2.0):
            if line["decibels"] >= min_decibels(max_drop):
                assert line["drop_points"] <= max_drop, line
                assert line["agreement"] >= MIN_AGREEMENT or max_drop > 0.5
