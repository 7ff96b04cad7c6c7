"""What is in an image: the objects that a detector is to find there. Of a classifier's images the class is enough."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Truths:
    """The objects of an image.

    boxes: (n, 4) left, top, right, bottom in pixels, measured at their edges; or, relative, in shares of the image's
    width and height. labels: (n,). is_crowd: (n,), what no answer is right or wrong about. areas: (n,) in pixels, which
    say how large an object is; None: those of the boxes. size: width and height of the image; None: not known yet.
    """

    boxes: NDArray[np.floating]
    labels: NDArray[np.integer]
    is_crowd: NDArray[np.bool_]
    areas: NDArray[np.floating] | None = None
    size: tuple[int, int] | None = None
    is_relative: bool = False

    def sized(self, size: tuple[int, int]) -> "Truths":
        """The same in pixels, of an image of (width, height)."""
        return replace(
            self, boxes=self.boxes * (size * 2) if self.is_relative else self.boxes, size=size, is_relative=False
        )

    def boxes_in(self, size: tuple[int, int]) -> NDArray[np.floating]:
        """The boxes in an image that was decoded at another size, (width, height)."""
        if self.size is None:
            raise ValueError("expected objects of an image whose size is known")
        return self.boxes * ((size[0] / self.size[0], size[1] / self.size[1]) * 2)

    def numbered(self, numbers: NDArray[np.int64]) -> "Truths":
        """The same with other class numbers. numbers: of each class the new one."""
        return replace(self, labels=numbers[self.labels])
