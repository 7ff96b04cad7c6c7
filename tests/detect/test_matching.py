"""Costs against hand-computed ones, and matching against brute force."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leannet.detect.matching import Objects, Places, class_cost, cost, location_cost, match, matcher, sides_cost
from leannet.detect.overlap import giou, iou
from leannet.detect.rules import RULES


def _boxes(*rows: tuple[float, float, float, float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def _slow_giou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The algorithm as the paper prints it, a box at a time."""
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    shared = (right - left) * (bottom - top) if right > left and bottom > top else 0.0
    covered = sum(areas) - shared
    around = (max(one[2], other[2]) - min(one[0], other[0])) * (max(one[3], other[3]) - min(one[1], other[1]))
    return shared / covered - (around - covered) / around


@pytest.mark.parametrize(
    ("one", "other", "overlap", "generalized"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1, 1),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150, 50 / 150),  # nothing around them is free
        ((0, 0, 10, 10), (20, 0, 30, 10), 0, -100 / 300),  # a third of the box around both
        ((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16, 4 / 16),
        ((0, 0, 1, 1), (1, 1, 2, 2), 0, -2 / 4),
    ],
)
def test_overlap_by_hand(one: tuple[float, ...], other: tuple[float, ...], overlap: float, generalized: float) -> None:
    assert float(iou(_boxes(one), _boxes(other))) == pytest.approx(overlap)
    assert float(giou(_boxes(one), _boxes(other))) == pytest.approx(generalized)


_sides = st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(0.5, 40), st.floats(0.5, 40))
_box = _sides.map(lambda s: (s[0], s[1], s[0] + s[2], s[1] + s[3]))


@given(st.lists(_box, min_size=1, max_size=4), st.lists(_box, min_size=1, max_size=4))
@settings(max_examples=60)
def test_giou_is_the_papers_algorithm(ones: list[tuple[float, ...]], others: list[tuple[float, ...]]) -> None:
    all_pairs = giou(_boxes(*ones)[:, None], _boxes(*others)[None])
    expected = [[_slow_giou(one, other) for other in others] for one in ones]
    np.testing.assert_allclose(all_pairs.numpy(), expected, atol=1e-9)


def test_boxes_without_an_area_have_no_overlap_and_no_nan() -> None:
    point, turned = _boxes((3, 3, 3, 3)), _boxes((5, 5, 2, 2))
    for boxes in (point, turned):
        assert float(iou(boxes, boxes)) == 0
        assert math.isfinite(float(giou(boxes, boxes)))


def test_costs_by_hand() -> None:
    logits = torch.tensor([[[0.0, math.log(3)]]])  # chances 1/2 and 3/4, one place
    right = 0.25 * (1 / 4) ** 2 * -math.log(3 / 4)
    wrong = 0.75 * (3 / 4) ** 2 * -math.log(1 / 4)
    assert float(class_cost(logits, torch.tensor([[1]]))) == pytest.approx(right - wrong, rel=1e-5)
    assert float(class_cost(logits, torch.tensor([[0]]))) == pytest.approx((0.25 - 0.75) / 4 * math.log(2), rel=1e-5)
    boxes, of_object = torch.tensor([[[0.0, 0, 100, 50]]]), torch.tensor([[[10.0, 0, 100, 60]]])
    assert float(sides_cost(boxes, of_object, (100, 200))) == pytest.approx(10 / 200 + 10 / 100)


def _case(
    draw: np.random.Generator, images: int, objects: int, places: int, classes: int = 3
) -> tuple[torch.Tensor, torch.Tensor, Objects]:
    def boxes(*shape: int) -> torch.Tensor:
        corners = draw.uniform(0, 60, (*shape, 2))
        return torch.from_numpy(np.concatenate((corners, corners + draw.uniform(1, 40, (*shape, 2))), axis=-1)).float()

    there = torch.from_numpy(draw.random((images, objects)) < 0.7)
    labels = torch.from_numpy(draw.integers(classes, size=(images, objects)))
    logits = torch.from_numpy(draw.normal(size=(images, places, classes))).float()
    return logits, boxes(images, places), Objects(labels, boxes(images, objects), there)


@given(st.integers(0, 2**31), st.integers(0, 4), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_the_matcher_equals_brute_force(seed: int, objects: int, places: int) -> None:
    logits, boxes, truths = _case(np.random.default_rng(seed), 2, objects, places)
    where = Places(torch.rand(places, 2) * 100, torch.full((places,), 8.0), torch.tensor([[0.0, 1e8]] * places))
    least = matcher("minimum", where, (100, 100))(logits, boxes, truths)
    assigned = matcher("hungarian", where, (100, 100))(logits, boxes, truths)
    costs = cost(logits, boxes, truths, (100, 100)).double().numpy()
    for image in range(2):
        numbers = [number for number in range(objects) if truths.are_there[image, number]]
        absent = sorted(set(range(objects)) - set(numbers))
        assert (least[image, absent] == -1).all()
        assert (assigned[image, absent] == -1).all()
        for number in numbers:
            one_by_one = [float(costs[image, number, place]) for place in range(places)]
            assert int(least[image, number]) == one_by_one.index(min(one_by_one))
        chosen = [int(assigned[image, number]) for number in numbers]
        matched = [place for place in chosen if place >= 0]
        assert len(set(matched)) == len(matched) == min(len(numbers), places)
        total = sum(costs[image, number, place] for number, place in zip(numbers, chosen, strict=True) if place >= 0)
        few = min(len(numbers), places)
        ways = (
            sum(costs[image, number, place] for number, place in zip(some, order, strict=True))
            for some in itertools.combinations(numbers, few) for order in itertools.permutations(range(places), few)
        )  # fmt: skip
        assert total == pytest.approx(min(ways), abs=1e-9)


def test_identical_objects_share_the_least_place_or_have_one_each() -> None:
    logits, boxes = torch.zeros(1, 3, 1), torch.tensor([[[0.0, 0, 9, 9], [0, 0, 10, 10], [50, 50, 60, 60]]])
    twins = Objects(
        torch.zeros(1, 2, dtype=torch.long), torch.tensor([[[0.0, 0, 10, 10]] * 2]), torch.ones(1, 2).bool()
    )
    where = Places(torch.zeros(3, 2), torch.ones(3), torch.zeros(3, 2))
    assert matcher("minimum", where, (64, 64))(logits, boxes, twins).tolist() == [[1, 1]]
    assert sorted(matcher("hungarian", where, (64, 64))(logits, boxes, twins)[0].tolist()) == [0, 1]


def test_no_object_at_all() -> None:
    empty = Objects(torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, 0, 4), torch.zeros(2, 0).bool())
    where = Places(torch.zeros(4, 2), torch.ones(4), torch.zeros(4, 2))
    for rule in RULES:
        assert matcher(rule, where, (32, 32))(torch.zeros(2, 4, 3), torch.zeros(2, 4, 4), empty).shape == (2, 0)


def test_answers_that_are_no_numbers_are_refused() -> None:
    costs = torch.tensor([[[1.0, float("nan")]]])
    with pytest.raises(ValueError, match="expected finite costs"):
        match(costs, torch.tensor([[True]]))
    assert match(costs, torch.tensor([[False]])).tolist() == [[-1]]


def test_location_rules_by_hand() -> None:
    """Two levels, strides 8 and 32: points 4 and 12 of the first, 16 of the second, on one line."""
    points = torch.tensor([[4.0, 4], [12, 4], [16, 16]])
    where = Places(points, torch.tensor([8.0, 8, 32]), torch.tensor([[0.0, 24], [0, 24], [24, 1e8]]))
    small, large = (2.0, 0.0, 14.0, 8.0), (-32.0, -32.0, 40.0, 40.0)  # centers (8, 4) and (4, 4)
    objects = Objects(torch.zeros(1, 2, dtype=torch.long), torch.tensor([[small, large]]), torch.ones(1, 2).bool())
    by_rule = {
        rule: location_cost(where, objects, rule).argmin(dim=2)[0].tolist()
        for rule in ("box_iou", "point", "point_in_scale")
    }
    assert by_rule["point"] == [0, 0]  # the large one lies on a point of the first level
    assert by_rule["point_in_scale"] == [0, 2]  # but reaches 44 px, which the second level is for
    assert by_rule["box_iou"] == [0, 0]
    overlaps = -location_cost(where, objects, "box_iou")[0]
    assert float(overlaps[1, 0]) == pytest.approx(64 * 64 / (72 * 72))  # the whole of 64 x 64 px in 72 x 72
