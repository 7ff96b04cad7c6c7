"""What is in an image: the objects that a detector is to find there. Of a classifier's images the class is enough."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leannet.data.images import TURNED

BEYOND = 0.5  # pixels that a box may reach beyond its image without a word: it was rounded


@dataclass(frozen=True, eq=False)
class Truths:
    """The objects of an image.

    boxes: (n, 4) left, top, right, bottom in pixels, measured at their edges; or, relative, in shares of the image's
    width and height. labels: (n,). is_crowd: (n,), what no answer is right or wrong about. areas: (n,) in pixels, which
    say how large an object is; None: those of the boxes. size: width and height of the image; None: not known yet.
    said: those that the annotations say, if they do. places: of each object "file:line", or what says it as well;
    empty: not known.
    """

    boxes: NDArray[np.floating]
    labels: NDArray[np.integer]
    is_crowd: NDArray[np.bool_]
    areas: NDArray[np.floating] | None = None
    size: tuple[int, int] | None = None
    is_relative: bool = False
    said: tuple[int, int] | None = None
    places: tuple[str, ...] = ()

    def sized(self, size: tuple[int, int]) -> "Truths":
        """The same in pixels, of an image of (width, height)."""
        boxes = self.boxes * (size * 2) if self.is_relative else self.boxes
        return replace(self, boxes=boxes, size=size, is_relative=False)

    def is_stored(self, size: tuple[int, int], orientation: int) -> bool:
        """Whether the annotations say the size of an image as it is stored, on its side. size: width and height
        upright. orientation: EXIF's, by which it was made upright."""
        return orientation in TURNED and self.said == size[::-1] != size

    def in_image(self, size: tuple[int, int], orientation: int = 1) -> "Truths":
        """The same in pixels of the upright image. size, orientation: as for `is_stored`."""
        sized = self.sized(size)
        return sized.upright(orientation) if self.is_stored(size, orientation) else sized

    def upright(self, orientation: int) -> "Truths":
        """Of boxes in the pixels as they are stored those in the upright image, whose size is known.

        orientation: EXIF's, from 5 to 8: those that turn an image on its side.
        """
        left, top, right, bottom = self.boxes.T
        (width, height), mirrored = self._size, {6: (True, False), 7: (True, True), 8: (False, True)}
        across, down = mirrored.get(orientation, (False, False))
        boxes = (
            width - bottom if across else top, height - right if down else left,
            width - top if across else bottom, height - left if down else right,
        )  # fmt: skip
        return replace(self, boxes=np.stack(boxes, axis=1))

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """(n,): which boxes reach beyond the image, by more than half a pixel."""
        least, most = self.boxes[:, :2].min(axis=1), (self.boxes[:, 2:] - self._size).max(axis=1)
        return np.maximum(-least, most) > BEYOND

    @property
    def touches(self) -> NDArray[np.bool_]:
        """(n,): of which objects something is in the image."""
        boxes = np.clip(self.boxes, 0, self._size * 2)
        return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))

    def inside(self) -> "Truths":
        """The objects of which something is in the image, cut at its border."""
        boxes = np.clip(self.boxes, 0, self._size * 2)
        areas = None if self.areas is None else np.minimum(self.areas, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
        return replace(self, boxes=boxes, areas=areas).only(self.touches)

    def only(self, which: NDArray[np.bool_]) -> "Truths":
        """Some of the objects."""
        areas = None if self.areas is None else self.areas[which]
        places = tuple(place for place, stays in zip(self.places, which.tolist(), strict=False) if stays)
        return replace(
            self, boxes=self.boxes[which], labels=self.labels[which], is_crowd=self.is_crowd[which], areas=areas,
            places=places,
        )  # fmt: skip

    def where(self, which: NDArray[np.bool_], name: str) -> list[str]:
        """The places of some of the objects; name: of the image, for those that have none."""
        return [self.places[index] if self.places else name for index in np.flatnonzero(which).tolist()]

    @property
    def _size(self) -> tuple[int, int]:
        if self.size is None:
            raise ValueError("expected objects of an image whose size is known")
        return self.size

    def boxes_in(self, size: tuple[int, int]) -> NDArray[np.floating]:
        """The boxes in an image that was decoded at another size, (width, height)."""
        width, height = self._size
        return self.boxes * ((size[0] / width, size[1] / height) * 2)

    def numbered(self, numbers: NDArray[np.int64]) -> "Truths":
        """The same with other class numbers. numbers: of each class the new one."""
        return replace(self, labels=numbers[self.labels])
