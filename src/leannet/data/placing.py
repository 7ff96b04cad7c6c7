"""Where an image lies in a network's input: arithmetic in both directions, for pixels and for boxes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leannet.data.images import Box, laid
from leannet.preprocessing import Preprocessing

Boxes = NDArray[np.floating]


@dataclass(frozen=True)
class Placement:
    """An image of (width, height) pixels in an input: a pixel of it lies at `scale * (x, y) + offset` there.

    Coordinates are those of the pixels' edges: the image reaches from (0, 0) to (width, height). Boxes are (..., 4):
    left, top, right, bottom.
    """

    size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]
    input_size: tuple[int, int] = (0, 0)  # width and height, in which it is turned over
    is_mirrored: bool = False  # left and right
    is_upside_down: bool = False
    moved: tuple[int, int] = (0, 0)  # then to the right and down
    quarters: int = 0  # counterclockwise, by which the image was turned before all of that

    def to_input(self, boxes: Boxes) -> Boxes:
        """Boxes of the image as boxes of the input; those of what was cut away lie outside."""
        placed = rotated(boxes, self.size, self.quarters) * (self.scale * 2) + self.offset * 2
        return self._turned_over(placed) + self.moved * 2

    def to_image(self, boxes: Boxes) -> Boxes:
        """Boxes of the input as boxes of the image, unclipped."""
        placed = self._turned_over(boxes - self.moved * 2)
        size = self.size if self.quarters % 2 == 0 else self.size[::-1]
        return rotated((placed - self.offset * 2) / (self.scale * 2), size, -self.quarters % 4)

    def clipped(self, boxes: Boxes) -> Boxes:
        """Boxes of the image, no side of them beyond it."""
        width, height = self.size
        return np.clip(boxes, 0, np.array((width, height, width, height), boxes.dtype))

    def _turned_over(self, boxes: Boxes) -> Boxes:
        """Mirrored and upside down, or back."""
        left, top, right, bottom = np.moveaxis(boxes, -1, 0)
        width, height = self.input_size
        if self.is_mirrored:
            left, right = width - right, width - left
        if self.is_upside_down:
            top, bottom = height - bottom, height - top
        return np.stack((left, top, right, bottom), axis=-1)


def rotated(boxes: Boxes, size: tuple[int, int], quarters: int) -> Boxes:
    """Boxes in an image of (width, height) pixels that is turned counterclockwise by quarters of a circle."""
    width, height = size
    for _ in range(quarters):
        left, top, right, bottom = np.moveaxis(boxes, -1, 0)
        boxes = np.stack((top, width - right, bottom, width - left), axis=-1)
        width, height = height, width
    return boxes


def place(
    size: tuple[int, int],
    preprocessing: Preprocessing,
    box: Box | None = None,
    is_mirrored: bool = False,
    is_upside_down: bool = False,
    moved: tuple[int, int] = (0, 0),
) -> Placement:
    """Where `images.fit` puts an image of (width, height) pixels, upright.

    box: in training, the part of it that is kept instead of the preprocessing's own; it may reach beyond the image.
    is_mirrored, is_upside_down, moved: what augmentation did to the input then.
    """
    (left, top, right, bottom), (first, highest, last, lowest) = laid(size, preprocessing, box)
    scale = (last - first) / (right - left), (lowest - highest) / (bottom - top)
    offset = first - left * scale[0], highest - top * scale[1]
    input_size = preprocessing.width, preprocessing.height
    return Placement(size, scale, offset, input_size, is_mirrored, is_upside_down, moved)
