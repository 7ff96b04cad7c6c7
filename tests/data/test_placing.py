"""Where an image lies in an input: what arithmetic says, looked for among the pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from leannet.data.images import GREY, fit
from leannet.data.placing import place
from leannet.preprocessing import Preprocessing

RULES = ("crop", "center-crop", "squash", "letterbox")
_side = st.integers(1, 900)


def _preprocessing(rule: str, width: int = 96, height: int = 64) -> Preprocessing:
    return Preprocessing(height=height, width=width, resize=rule)


@given(_side, _side, st.sampled_from(RULES), st.booleans(), st.booleans(), st.integers(0, 2**31))
@settings(max_examples=80, deadline=None)
def test_there_and_back(width: int, height: int, rule: str, is_mirrored: bool, is_upside_down: bool, seed: int) -> None:
    draw = np.random.default_rng(seed)
    corners = draw.uniform(0, (width, height), (5, 2))
    boxes = np.concatenate((corners, corners + draw.uniform(0, (width, height), (5, 2))), axis=1)
    placed = place((width, height), _preprocessing(rule), None, is_mirrored, is_upside_down)
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
