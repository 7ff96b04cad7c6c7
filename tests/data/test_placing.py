"""Where an image lies in an input: what arithmetic says, looked for among the pixels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from leannet.data.augment import QUARTERS, Augment, random_box
from leannet.data.images import GREY, fit
from leannet.data.placing import place, rotated
from leannet.preprocessing import Preprocessing

RULES = ("crop", "center-crop", "squash", "letterbox")
_side = st.integers(1, 900)


def _preprocessing(rule: str, width: int = 96, height: int = 64) -> Preprocessing:
    return Preprocessing(height=height, width=width, resize=rule)


@given(_side, _side, st.sampled_from(RULES), st.booleans(), st.booleans(), st.integers(0, 3), st.integers(0, 2**31))
@settings(max_examples=80, deadline=None)
def test_there_and_back(
    width: int, height: int, rule: str, is_mirrored: bool, is_upside_down: bool, quarters: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    corners = draw.uniform(0, (width, height), (5, 2))
    boxes = np.concatenate((corners, corners + draw.uniform(0, (width, height), (5, 2))), axis=1)
    size = (width, height) if quarters % 2 == 0 else (height, width)
    placed = place(size, _preprocessing(rule), None, is_mirrored, is_upside_down)
    placed = replace(placed, size=(width, height), quarters=quarters)
    there = placed.to_input(boxes)
    assert (there[:, :2] <= there[:, 2:]).all()
    np.testing.assert_allclose(placed.to_image(there), boxes, atol=1e-9 * max(width, height))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(640, 480), (100, 400), (31, 33), (96, 64), (1000, 200)])
def test_pixels_are_where_arithmetic_says(rule: str, size: tuple[int, int]) -> None:
    """The edges of a white box on black, found in the input to half a pixel."""
    width, height = size
    box = np.array([0.3 * width, 0.4 * height, 0.7 * width, 0.6 * height]).round()
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = box.astype(int)
    pixels[top:bottom, left:right] = 255
    preprocessing = _preprocessing(rule)
    whole = np.asarray(fit(Image.fromarray(pixels), preprocessing)).astype(float)[..., 0] / 255
    expected = place(size, preprocessing).to_input(box)
    wide, high = expected[2:] - expected[:2]
    around = place(size, preprocessing).to_input(np.array([0.0, 0, width, height])).clip(0).round().astype(int)
    whole[: around[1]] = whole[around[3] :] = whole[:, : around[0]] = whole[:, around[2] :] = 0  # grey of a letterbox
    row, column = whole[int(expected[[1, 3]].mean())], whole[:, int(expected[[0, 2]].mean())]
    assert row.sum() == pytest.approx(np.diff(np.clip(expected[[0, 2]], 0, 96))[0], abs=0.5)
    assert column.sum() == pytest.approx(np.diff(np.clip(expected[[1, 3]], 0, 64))[0], abs=0.5)
    if expected.min() >= 0 and min(wide, high) >= 2:
        middle = (row * (np.arange(96) + 0.5)).sum() / row.sum()
        assert middle == pytest.approx(expected[[0, 2]].mean(), abs=0.5)


@pytest.mark.parametrize("quarters", range(4))
def test_boxes_turn_as_pillow_turns_images(quarters: int) -> None:
    image = Image.new("L", (80, 60))
    image.paste(255, (10, 20, 40, 50))
    turned = image if not quarters else image.transpose(QUARTERS[quarters - 1])
    assert rotated(np.array([10, 20, 40, 50]), (80, 60), quarters).tolist() == list(turned.getbbox() or ())


@given(st.integers(1, 1500), st.integers(1, 1500), st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_letterboxed_images_are_pillows(width: int, height: int, wide: int, high: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image, preprocessing = Image.fromarray(pixels), _preprocessing("letterbox", wide, high)
    ours = fit(image, preprocessing)
    assert ours.size == (wide, high)
    theirs = ImageOps.pad(image, (wide, high), method=Image.Resampling.BILINEAR, color=GREY)
    if min(wide / width * height, high / height * width) <= 0.5:  # Pillow then leaves nothing of it, ours a row
        assert (np.asarray(ours) != GREY[0]).any() or not pixels.any()
        return
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_a_box_over_the_whole_image_is_one_over_all_of_it() -> None:
    placed = place((640, 480), _preprocessing("squash"))
    assert placed.to_input(np.array([0.0, 0, 640, 480])).tolist() == [0, 0, 96, 64]
    beyond = np.array([-5.0, -5, 700, 500])
    assert placed.clipped(beyond).tolist() == [0, 0, 640, 480]


@given(_side, _side, st.sampled_from(RULES), st.floats(0, 1), st.floats(1.01, 3), st.integers(0, 10_000))
@settings(max_examples=80, deadline=None)
def test_a_crop_beyond_the_image_has_grey_around_it(
    width: int, height: int, rule: str, crop: float, zoom_out: float, seed: int
) -> None:
    size, preprocessing = (width, height), _preprocessing(rule)
    augment = Augment(crop=crop, zoom_out=zoom_out)
    box = random_box(size, preprocessing, augment, np.random.default_rng(seed))
    assert box is not None
    around = max(width, height * 1.5) * max(width / 1.5, height)  # the least box of 3:2 around the image
    area = (box[2] - box[0]) * (box[3] - box[1])
    assert (crop or 1) * around * (1 - 1e-9) <= area <= zoom_out * around * (1 + 1e-9)
    white = Image.new("RGB", size, (255, 255, 255))
    pixels = np.asarray(fit(white, preprocessing, box))
    assert set(np.unique(pixels)) <= {GREY[0], 255}
    where = place(size, preprocessing, box).to_input(np.array([0.0, 0, width, height]))
    left, top, right, bottom = where.clip(0, [96, 64, 96, 64]).round().astype(int)
    assert (pixels[top:bottom, left:right] == 255).all()
    assert (pixels == 255).all(axis=2).sum() == (right - left) * (bottom - top) > 0
    scale = np.diff(where.reshape(2, 2), axis=0)[0] / size  # whole pixels, so that a scale is off by one at most
    exact = np.array([96 / (box[2] - box[0]), 64 / (box[3] - box[1])])
    seen = np.minimum(np.subtract(box[2:], box[:2]), size)
    assert (np.abs(scale - exact) * seen <= 1 + 1e-6).all()


def test_a_crop_without_zooming_out_is_as_it_was() -> None:
    """The very draws: training that does not ask for it is the same to the last bit."""
    boxes = [random_box((640, 480), _preprocessing("letterbox"), Augment(crop=0.5), np.random.default_rng(seed))
             for seed in range(3)]  # fmt: skip
    expected = [
        (2.672494432, 0.703194754, 577.447583923, 438.156591343),
        (17.409973909, 75.841990674, 601.578614382, 376.684768492),
        (106.844730429, 9.110627532, 615.6222388, 389.991504992),
    ]
    np.testing.assert_allclose(boxes, expected, atol=1e-8)
