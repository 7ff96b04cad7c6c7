"""What a detector is to find in a prepared image: its objects where resizing, cropping and mirroring have put them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leannet.data.placing import Boxes, Placement

# Class, left, top, right, bottom in pixels of the input, and what it is: an object, a crowd, or what fills up.
COLUMNS = 6
OBJECT, CROWD = 1, -1
VISIBLE = 0.3  # the least share of an object that a crop has to keep for the rest to be an object


def placed_objects(
    boxes: Boxes,
    labels: NDArray[np.integer],
    placement: Placement,
    size: tuple[int, int],
    is_crowd: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """(n, 6): the objects of an image in its input of (width, height) pixels, each cut at its border.

    boxes: (m, 4) in pixels of the image. labels: (m,). is_crowd: (m,), what no answer is right or wrong about, of which
    all is kept that is in the input; of an object less than a third of which is left nothing is.
    """
    placed = placement.to_input(boxes)
    moved, whole_input = np.array(placement.moved), np.array(size)
    # The image was cut before it was moved.
    least, most = np.maximum(moved, 0), whole_input + np.minimum(moved, 0)
    clipped = np.clip(placed, np.tile(least, 2), np.tile(most, 2))
    sides, whole = clipped[:, 2:] - clipped[:, :2], placed[:, 2:] - placed[:, :2]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = sides.prod(axis=1) / whole.prod(axis=1)
    crowds = np.zeros(len(labels), bool) if is_crowd is None else is_crowd
    stays = (sides > 0).all(axis=1) & (crowds | (share >= VISIBLE))
    what = np.where(crowds, CROWD, OBJECT)[:, None]
    objects = np.concatenate((labels[:, None], clipped, what), axis=1)[stays]
    return objects.astype(np.float32)


def stacked(of_images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(N, M, 6) of several images, filled up with zeros to the most objects of one."""
    most = max((len(each) for each in of_images), default=0)
    whole = np.zeros((len(of_images), most, COLUMNS), np.float32)
    for row, each in zip(whole, of_images, strict=True):
        row[: len(each)] = each
    return whole
