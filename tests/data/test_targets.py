"""Objects where a crop, a mirror and a letterbox have put them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from leannet.data.images import fit
from leannet.data.placing import place
from leannet.data.targets import placed_objects, stacked
from leannet.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(height=64, width=96, resize="letterbox")
LABELS = np.array([3])


@given(st.integers(20, 300), st.integers(20, 300), st.integers(0, 2**31), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_box_stays_around_its_object(
    width: int, height: int, seed: int, is_mirrored: bool, is_upside_down: bool
) -> None:
    """A white object on black, drawn, cropped at random and looked for in the input."""
    draw = np.random.default_rng(seed)
    left, top = draw.uniform(0, 0.6, 2) * (width, height)
    right, bottom = (left, top) + draw.uniform(0.2, 0.4, 2) * (width, height)
    box = np.array([[left, top, right, bottom]]).round()
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[int(box[0, 1]) : int(box[0, 3]), int(box[0, 0]) : int(box[0, 2])] = 255
    crop_left, crop_top = draw.uniform(0, 0.3, 2) * (width, height)
    crop = (crop_left, crop_top, crop_left + 0.7 * width, crop_top + 0.7 * height)
    prepared = np.asarray(fit(Image.fromarray(pixels), PREPROCESSING, crop))[..., 0].astype(float) / 255
    prepared = prepared[:, ::-1] if is_mirrored else prepared
    prepared = prepared[::-1] if is_upside_down else prepared
    placement = place((width, height), PREPROCESSING, crop, is_mirrored, is_upside_down)
    found = placed_objects(box, LABELS, placement, (96, 64))
    if not len(found):  # less than a third of it is left, give or take a pixel
        whole = np.diff(placement.to_input(box)[0].reshape(2, 2), axis=0).prod()
        assert prepared.sum() <= 0.3 * whole + 96
        return
    label, *edges, is_there = found[0]
    assert (label, is_there) == (3, 1)
    scale = max(placement.scale)  # of an enlarged image each pixel smears over so many
    for axis, low, high in ((0, edges[0], edges[2]), (1, edges[1], edges[3])):
        places = np.flatnonzero(prepared.max(axis=axis) > 0.5)
        assert abs(places[0] - low) <= 0.5 + scale
        assert abs(places[-1] + 1 - high) <= 0.5 + scale


def test_what_is_cut_away_is_no_object() -> None:
    boxes, labels = np.array([[0.0, 0, 10, 10], [90, 0, 110, 60], [200, 0, 210, 9]]), np.array([0, 1, 2])
    preprocessing = Preprocessing(height=50, width=50, resize="squash")
    found = placed_objects(boxes, labels, place((300, 100), preprocessing, (0.0, 0.0, 100.0, 100.0)), (50, 50))
    assert found.tolist() == [[0, 0, 0, 5, 5, 1], [1, 45, 0, 50, 30, 1]]  # half of the second is left
    narrow = place((300, 100), preprocessing, (0.0, 0.0, 95.0, 100.0))
    crowds = placed_objects(boxes, labels, narrow, (50, 50), np.array([True, True, False]))
    assert crowds[:, 5].tolist() == [-1, -1]  # a quarter of the second is left, which is a crowd all the same
    both = stacked([found, np.zeros((0, 6), np.float32)])
    assert both.shape == (2, 2, 6)
    assert not both[1].any()
    assert stacked([np.zeros((0, 6), np.float32)]).shape == (1, 0, 6)
